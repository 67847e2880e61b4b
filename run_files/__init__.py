"""The files of a run's folder: configuration, checkpoints, metrics, and the seals that tell damage."""
