"""What is told of a model: card, plots and the table of versions."""
