"""Experiments in production: comparisons of models on live traffic, and what their verdict does."""
