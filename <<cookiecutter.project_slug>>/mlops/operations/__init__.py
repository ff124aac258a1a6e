"""Level 4: what was served, what came of it, and what follows from it."""
