"""Searches for options, by Optuna over a sweep's trials: what `engram tune` is made of."""
