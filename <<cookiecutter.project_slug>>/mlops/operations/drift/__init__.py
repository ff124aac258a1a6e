"""Drift: how far what was asked and answered lies from what the model was trained on."""
