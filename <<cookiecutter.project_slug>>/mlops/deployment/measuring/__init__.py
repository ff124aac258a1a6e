"""What is measured of a model: figures with their intervals."""
