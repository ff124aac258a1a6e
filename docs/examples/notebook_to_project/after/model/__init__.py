"""Yours: the notebook as five functions and a data contract."""
