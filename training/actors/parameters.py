"""What an agent acts with, as one vector of bytes: parameters and the running statistics of normalisers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from engram.agents.base import Agent


def parameter_bytes(agent: Agent) -> np.ndarray:
    """Copy what the agent acts with, uint8 `[n]`, to host memory."""
    flat = [tensor.detach().contiguous().reshape(-1).view(torch.uint8) for tensor in _acting(agent)]
    return torch.cat(flat).cpu().numpy()


@torch.no_grad()
def load_parameter_bytes(agent: Agent, flat: np.ndarray) -> None:
    """Let an agent in host memory act with what `parameter_bytes` copied.

    Args:
        agent: made alike.
        flat: maybe read-only.
    """
    begin = 0
    for tensor in _acting(agent):
        own = tensor.detach().reshape(-1).view(torch.uint8).numpy()
        np.copyto(own, flat[begin : begin + len(own)])
        begin += len(own)
    assert begin == len(flat), "learner and actor are made alike"


def _acting(agent: Agent) -> Iterator[Tensor]:
    for network in agent.acting_networks.values():
        yield from network.state_dict().values()
