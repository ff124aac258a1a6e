"""Yours: the machine-learning problem as five pure functions and one data contract."""
