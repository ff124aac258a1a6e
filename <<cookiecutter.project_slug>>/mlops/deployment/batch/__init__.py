"""Batch scoring: a packaged model on files of any size, in processes of this machine or on Spark."""
