"""Promotion by pull request: what it says, the branch that holds it, and what is asked of GitHub."""
