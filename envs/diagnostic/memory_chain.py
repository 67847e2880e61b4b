"""bsuite's memory chain: a context shown once, and one of its bits asked for at the end."""

from __future__ import annotations

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.option_types import Count, Index
from engram.common.random import hash_prefix, purpose, randint
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv

_CONTEXT = purpose("context")
_QUERY = purpose("query")


class MemoryChain(NativeVectorEnv):
    """Say at the end one of the bits shown at the beginning; the rules are those of bsuite 0.3.6.

    `num_bits=1` with any length is its experiment memory_len; `length=2` with any number of bits is its
    memory_size. `num_bits` fair bits are drawn, and the index of one of them, the query. With
    `t = max(0, row - 1)`, an observation holds

    - `1 - t / length`;
    - the query where `t` is `length - 1`, else 0;
    - the bits as -1 or +1 where `t` is 0, else zeros.

    So the first two rows show the bits (the original builds an observation before its counter moves), and
    the row on which the answer is given, the last but one, is the first that knows the query. An episode
    terminates after `length + 1` actions. The last is the answer, worth 1 if it is the bit asked for (0 or 1)
    and -1 if not; all others are free. A right answer is a success. Guessing is worth 0 on average.

    Args:
        num_envs: number of environments B.
        length: actions before the answer, 1 or more.
        num_bits: bits to remember, 1 or more.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        length: Count = 10,
        num_bits: Count = 1,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "diagnostic/memory_chain"
        self.length, self.max_episode_steps = length, length + 1
        self.num_bits = num_bits
        low = np.array([0, 0, *[-1] * num_bits], dtype=np.float32)
        high = np.array([1, max(1, num_bits - 1), *[1] * num_bits], dtype=np.float32)
        self.single_observation_space = gs.Box(low, high)
        self.single_action_space = gs.Discrete(2)
        self.best_return = 1.0
        self.chance_return = 0.0

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        key = hash_prefix(seed, _CONTEXT, env_index, episode)
        bits = randint(2, torch.arange(self.num_bits, device=key.device), prefix=key[:, None])
        return {"bits": bits, "query": randint(self.num_bits, seed, _QUERY, env_index, episode)}

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        answered = time == self.length
        asked = task["bits"].gather(1, task["query"][:, None]).squeeze(1)
        right = (action == asked).to(torch.float32) * 2.0 - 1.0
        return task, torch.where(answered, right, 0.0), answered, torch.zeros_like(answered)

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": reward > 0}

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:  # noqa: D102
        return {"bits": Hidden(task["bits"], 2, is_shown=time <= 1)}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        shown = (time - 1).clamp(min=0)
        left = 1.0 - shown.to(torch.float64) / self.length
        query = torch.where(shown == self.length - 1, task["query"], 0)
        bits = torch.where(shown[:, None] == 0, 2 * task["bits"] - 1, 0)
        return torch.cat((left[:, None], query[:, None], bits), dim=1).to(torch.float32)
