"""Retraining: whether, why and on what, decided from events."""
