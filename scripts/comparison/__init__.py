"""Comparing runs: reading them, grouping them, and writing figures, tables and a page."""
