"""Grids of runs as resumable trials: what `engram sweep` is made of."""
