"""Options that every agent has, checked once."""

from __future__ import annotations

import torch

from engram.agents.precision import PrecisionName
from engram.common.checked import settings
from engram.common.option_types import Count, Seed


@settings("an agent", "agent.")
class AgentSettings:
    """Options of an agent; those of one kind are derived from them.

    Args:
        total_env_steps: budget in real transitions, the horizon of schedules.
        seed: of the parameters and of all noise.
        device: where the parameters live.
        rollout_length: rows per environment that are collected at once.
        precision: `float32`, `tf32`, `bfloat16` (mixed) or `auto`, see `engram.agents.precision.Precision`.

    Raises:
        ValueError: for a value outside its range.
    """

    total_env_steps: Count = 1_000_000
    seed: Seed = 0
    device: str | torch.device = "cpu"
    rollout_length: Count = 16
    precision: PrecisionName = "auto"
