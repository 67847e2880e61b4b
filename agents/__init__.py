"""Agents: learners that act through a memory core."""
