"""Desired state: the files in `environments/` that say what each environment shall serve, and how."""
