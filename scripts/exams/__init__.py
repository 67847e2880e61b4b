"""Exams of many cores and tasks: what `engram exam` is made of."""
