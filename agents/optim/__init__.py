"""Optimisers beside PyTorch's, and their stored state."""
