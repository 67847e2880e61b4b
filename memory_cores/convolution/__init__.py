"""Short causal convolutions over the rows of an episode, one filter for each channel."""

from engram.memory_cores.convolution.engine import episode_convolution

__all__ = ["episode_convolution"]
