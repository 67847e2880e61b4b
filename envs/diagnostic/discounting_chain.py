"""bsuite's discounting chain: the first action decides when the reward comes."""

from __future__ import annotations

import gymnasium.spaces as gs
import numpy as np
import torch
from torch import Tensor

from engram.common.option_types import Count, Index
from engram.envs.native import NativeVectorEnv

_LENGTH = 100
_REWARDED = (1, 3, 10, 30, 100)


class DiscountingChain(NativeVectorEnv):
    """Choose with the first action when to be paid; the rules are those of bsuite 0.3.6.

    The first action, 0 to 4, picks a chain; all others are free. Chain 0 pays 1 with the first action, the
    others with action 3, 10, 30 and 100; the chain `mapping_seed % 5` pays 1.1, and to choose it
    is a success. The episode terminates after
    100 actions. An observation is (chain, actions so far / 100), where the chain is -1 before the choice.

    The best return is 1.1 and choosing at random is worth 1.02 on average. An agent that cannot assign
    credit over the length of the best chain, or discounts it away, does not find it.

    Args:
        num_envs: number of environments B.
        mapping_seed: which chain pays 1.1, modulo 5.
        scale: factor of all times, 1 in bsuite: at 1000 the last chain pays with action 100,000.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        mapping_seed: Index = 0,
        scale: Count = 1,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "diagnostic/discounting_chain"
        self.length = self.max_episode_steps = _LENGTH * scale
        self._best_chain = mapping_seed % len(_REWARDED)
        rewards = [1.1 if chain == self._best_chain else 1.0 for chain in range(len(_REWARDED))]
        self._rewards = torch.tensor(rewards, dtype=torch.float32, device=self.device)
        self._rewarded = torch.tensor(_REWARDED, device=self.device) * scale
        low, high = np.array([-1, 0], dtype=np.float32), np.array([len(_REWARDED) - 1, 1], dtype=np.float32)
        self.single_observation_space = gs.Box(low, high)
        self.single_action_space = gs.Discrete(len(_REWARDED))
        self.best_return = 1.1
        self.chance_return = sum(rewards) / len(rewards)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        return {"chain": torch.full_like(episode, -1)}

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        chain = torch.where(time == 0, action, task["chain"])
        # A chain is -1 only where the environment begins anew and this is not looked at.
        index = chain.clamp(min=0)
        reward = torch.where(time + 1 == self._rewarded[index], self._rewards[index], 0.0)
        terminated = time + 1 == self.length
        return {"chain": chain}, reward, terminated, torch.zeros_like(terminated)

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": task["chain"] == self._best_chain}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        passed = time.to(torch.float64) / self.length
        return torch.stack((task["chain"].to(torch.float64), passed), dim=1).to(torch.float32)
