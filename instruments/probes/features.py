"""What a probe reads: the carry after each row, what the core puts out, and what goes into it."""

from __future__ import annotations

import torch
from torch import Tensor

from engram.agents.base import Agent
from engram.common.streams import stream_key, stream_noise
from engram.instruments.played import Played

MOST_FEATURES = 1024
"""Larger carries are projected at random to so many numbers, which keeps distances."""


@torch.no_grad()
def memory_features(agent: Agent, played: Played) -> dict[str, Tensor]:
    """Run an agent's memory over rows, its own or another agent's.

    Args:
        agent: must have an `outlook`.
        played: the rows; an agent that has not played them begins with its own initial memory.

    Returns:
        By name, `[B, T, n]` each: `carry` after the row, if the core keeps any; `output`, of the core, into which the
        present observation goes as well; `observation`, what goes into the core of the row alone.
    """
    rows = played.rows
    memory = agent.initial_memory(rows.batch_size[0])
    outlook = agent.outlook(rows, memory)
    features = {"output": outlook.y, "observation": outlook.x}
    if outlook.core.carry_size():
        _, carries = outlook.core(outlook.x, outlook.carry, rows["is_first"], all_carries=True)
        features = {"carry": outlook.core.carry_features(carries), **features}
    return {name: _projected(part.float()) for name, part in features.items()}


def _projected(features: Tensor) -> Tensor:
    size = features.shape[-1]
    if size <= MOST_FEATURES:
        return features
    key = torch.tensor(stream_key(0, "projection"))
    uniform = stream_noise(key, size, MOST_FEATURES).to(features)
    return features @ (torch.special.ndtri(uniform) / MOST_FEATURES**0.5)
