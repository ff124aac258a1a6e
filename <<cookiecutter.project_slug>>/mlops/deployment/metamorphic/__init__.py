"""Metamorphic relations: declared, tried, and broken ones shown by their plainest input."""
