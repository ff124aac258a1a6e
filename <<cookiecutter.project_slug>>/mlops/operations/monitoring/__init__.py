"""Monitoring: what was served in a window, measured."""
