"""Comparing runs: reading their folders, statistics, figures, tables and the page."""
