"""Options that every agent has, checked once."""

from __future__ import annotations

from typing import Literal

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
        learning_rate_schedule: `constant`, or `linear` to 0 at the end of the schedule's horizon.
        precision: `float32`, `tf32`, `bfloat16` (mixed) or `auto`, see `engram.agents.precision.Precision`.

    Raises:
        ValueError: for a value outside its range.
    """

    total_env_steps: Count = 1_000_000
    seed: Seed = 0
    device: str | torch.device = "cpu"
    rollout_length: Count = 16
    learning_rate_schedule: Literal["constant", "linear"] = "constant"
    precision: PrecisionName = "auto"

    def learning_rate_share(self, env_steps: int) -> float:
        """Say which share of every learning rate is in force in an update at `env_steps`."""
        if self.learning_rate_schedule == "constant":
            return 1.0
        return max(0.0, 1.0 - env_steps / self.total_env_steps)
