"""Measurements of speed and of statistics: `engram benchmark <name>`. They come with a clone, not with the package."""
