"""POPGym's MultiarmedBandit: find the arm that pays best."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium.spaces as gs
import torch
from torch import Tensor

from engram.common.option_types import Count, Index
from engram.common.random import hash_integers, purpose, uniform
from engram.envs.beginnings import redrawn
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv

_ARMS, _PULLS = purpose("arms"), purpose("pulls")


class MultiarmedBandit(NativeVectorEnv):
    """Pull one of several arms; each pays with a probability of its own, drawn anew for every episode.

    The observation says whether the last pull paid, 0 on the first row. A pull is worth 1 / episode_length
    if it pays, else as much less. The episode is truncated after `episode_length` pulls. Within a trial the arms stay.

    Args:
        num_envs: number of environments B.
        num_bandits: number of arms.
        episode_length: pulls in an episode.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"num_bandits": 10, "episode_length": 200},
        "medium": {"num_bandits": 20, "episode_length": 400},
        "hard": {"num_bandits": 30, "episode_length": 600},
    }

    def __init__(
        self,
        num_envs: Count,
        num_bandits: Count = 10,
        episode_length: Count = 200,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "popgym/multiarmed_bandit"
        self.num_bandits = num_bandits
        self.episode_length = self.max_episode_steps = episode_length
        self.single_observation_space = gs.Discrete(2)
        self.single_action_space = gs.Discrete(num_bandits)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        return self.begin_within(seed, env_index, episode, torch.zeros_like(episode))

    def begin_within(  # noqa: D102
        self, seed: Tensor, env_index: Tensor, trial: Tensor, number: Tensor
    ) -> dict[str, Tensor]:
        arm = torch.arange(self.num_bandits, device=seed.device)
        parts = (part.unsqueeze(1) for part in (env_index, trial))
        return {
            "bandits": uniform(seed.unsqueeze(1), _ARMS, *parts, arm),
            # A pull hashes this, which is a third of the work of hashing all of it again.
            "stream": redrawn(hash_integers(seed, _PULLS, env_index, trial), number),
            "paid": torch.zeros_like(seed),
        }

    def luck(self, task: dict[str, Tensor], time: Tensor) -> Tensor:
        """Return the draw [B] in [0, 1) that a probability must exceed for its arm to pay."""
        return uniform(task["stream"], time)

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        chance = task["bandits"].gather(1, action.unsqueeze(1)).squeeze(1)
        paid = self.luck(task, time) < chance
        reward = torch.where(paid, 1.0 / self.episode_length, -1.0 / self.episode_length)
        truncated = time == self.episode_length - 1
        return {**task, "paid": paid.to(torch.int64)}, reward, torch.zeros_like(truncated), truncated

    def infos(self, task: dict[str, Tensor], is_first: bool) -> dict[str, Tensor]:
        """Return `bandits` float32 [B, num_bandits]: the probability that each arm pays."""
        return {"bandits": task["bandits"]}

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return the probability that each arm pays."""
        return {"bandits": Hidden(task["bandits"], rows_ago=torch.zeros_like(time))}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        return task["paid"]
