"""Building agents from descriptions, and loading those of a run."""
