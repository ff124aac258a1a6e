"""The notebook as five functions."""
