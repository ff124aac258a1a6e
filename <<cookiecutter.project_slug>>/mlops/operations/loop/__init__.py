"""The whole loop in one command: every floor of the project at work, in a clone of its own."""
