"""Recall the first observation of the episode."""

from __future__ import annotations

from typing import Annotated

import gymnasium.spaces as gs
import torch
from torch import Tensor

from engram.common.option_types import Count, Index, Whole
from engram.common.random import purpose, randint
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv

_CUE = purpose("cue")


class RecallFirst(NativeVectorEnv):
    """Say at the end what was shown at the beginning.

    The first row shows a cue in 0..num_symbols-1, the next `delay` rows show the blank symbol
    `num_symbols`. The action on the last of these (on the cue itself if `delay` is 0) is the answer: reward
    1 if it is the cue, else -1. All other actions are free and worth nothing, so that a policy may simply
    name the cue always. The episode ends with the answer, after `delay + 1` actions, and is a success if that is right.

    Guessing gives `chance_return = 2 / num_symbols - 1` on average; that is also the best without a memory,
    as long as the agent does not see its previous action (an agent that does can keep the cue in its own
    actions).

    Args:
        num_envs: number of environments B.
        delay: blank rows between the cue and the answer, 0 or more.
        num_symbols: number of different cues, 2 or more.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        delay: Index = 8,
        num_symbols: Annotated[int, Whole(2)] = 4,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "diagnostic/recall_first"
        self.delay = delay
        self.max_episode_steps = delay + 1
        self.num_symbols = num_symbols
        self.single_observation_space = gs.Discrete(num_symbols + 1)
        self.single_action_space = gs.Discrete(num_symbols)
        self.best_return = 1.0
        self.chance_return = 2.0 / num_symbols - 1.0

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        return {"cue": randint(self.num_symbols, seed, _CUE, env_index, episode)}

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        answered = time == self.delay
        right = (action == task["cue"]).to(torch.float32) * 2.0 - 1.0
        return task, torch.where(answered, right, 0.0), answered, torch.zeros_like(answered)

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": reward > 0}

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:  # noqa: D102
        return {"cue": Hidden(task["cue"], self.num_symbols, is_shown=time == 0)}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        return torch.where(time == 0, task["cue"], self.num_symbols)
