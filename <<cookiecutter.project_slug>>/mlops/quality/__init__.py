"""Level 1: the project's settings, the data contract and its checks."""
