"""The twin of a task that shows what a memory would have to hold."""

from __future__ import annotations

from typing import Any

import gymnasium.spaces as gs
import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.checked import require
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv
from engram.envs.wrappers.native_wrapper import NativeWrapper


class Observable(NativeWrapper):
    """Shows, beside the observation of a task, what the task hides (`NativeVectorEnv.conceals`).

    The observation is a Dict: `obs` of the task, and `hidden`, a Dict of what is hidden by name. Nothing else is
    changed, so that the difference between the curves of both is what it costs to remember.

    Source: the fully observed twins of POPGym Arcade (Wang et al. 2025).

    Args:
        inner: the task.
    """

    def __init__(self, inner: NativeVectorEnv) -> None:
        super().__init__(inner)
        one = torch.zeros(1, dtype=torch.int64, device=self.device)
        hidden = inner.conceals(inner.begin(one, one, one), one)
        rule = f"false for {inner.name}, which does not say what it hides"
        require(bool(hidden), "observable", rule, True, prefix="env.")
        self.single_observation_space = gs.Dict(
            {
                "obs": inner.single_observation_space,
                "hidden": gs.Dict({name: _space(one) for name, one in hidden.items()}),
            }
        )

    def observe(self, task: dict[str, Tensor], time: Tensor) -> TensorDict:  # noqa: D102
        hidden = {name: one.value for name, one in self.conceals(task, time).items()}
        parts = {"obs": super().observe(task, time), "hidden": TensorDict(hidden, batch_size=time.shape)}
        return TensorDict(parts, batch_size=time.shape)


def _space(hidden: Hidden) -> gs.Space[Any]:
    """The space of what is hidden: choices, or real numbers."""
    shape = hidden.value.shape[1:]
    if hidden.num_classes is None:
        return gs.Box(-np.inf, np.inf, tuple(shape), np.float32)
    return (
        gs.MultiDiscrete(np.full(tuple(shape), hidden.num_classes))
        if shape
        else gs.Discrete(hidden.num_classes)
    )
