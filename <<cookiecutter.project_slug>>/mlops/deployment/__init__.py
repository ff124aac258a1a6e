"""Level 3: the package, the tests that only a model needs, and the gate."""
