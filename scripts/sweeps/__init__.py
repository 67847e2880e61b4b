"""Grids of runs as resumable trials: what `scripts.sweep` is made of."""
