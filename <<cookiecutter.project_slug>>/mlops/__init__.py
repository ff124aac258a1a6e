"""The machinery of this project: one package per maturity level, each importing only from below."""
