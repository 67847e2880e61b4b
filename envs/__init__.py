"""Environments: everything becomes a stream of rows."""
