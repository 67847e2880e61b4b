"""Experiment trackers beside a run's own files: Weights & Biases and MLflow."""
