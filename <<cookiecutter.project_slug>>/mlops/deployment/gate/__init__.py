"""The gate: what people declare, and the decision with its reasons."""
