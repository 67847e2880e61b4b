"""Actors: processes that step a run's environments for the one that learns."""
