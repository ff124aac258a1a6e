"""The steps of the training pipeline: each reads files and writes files, in a process of its own."""
