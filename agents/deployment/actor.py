"""What a player asks of an agent."""

from __future__ import annotations

from typing import Protocol

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor, nn

from engram.agents.precision import Precision
from engram.common.box_actions import BoxAction


class Actor(Protocol):
    """The side of an agent that a player sees; all of it is `engram.agents.Agent`'s."""

    observation_space: spaces.Space
    action_space: spaces.Space
    device: torch.device
    num_uniforms: int
    precision: Precision
    box_action: BoxAction

    @property
    def networks(self) -> dict[str, nn.Module]: ...  # noqa: D102

    @property
    def reads_reward(self) -> bool: ...  # noqa: D102

    def initial_carry(  # noqa: D102
        self, batch_size: int, seed: int | None = None, first_index: int = 0
    ) -> TensorDict: ...

    def act_with(  # noqa: D102
        self,
        noise: Tensor,
        row: TensorDictBase,
        carry: TensorDictBase,
        deterministic: bool = False,
        donate: bool = False,
    ) -> tuple[Tensor, TensorDict, TensorDict]: ...
