"""Level 2: the pipeline runner, the training steps, tracking and the model registry."""
