"""Training runs: the loop, what is due when, and the objects of one run."""
