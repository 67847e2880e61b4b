"""A Bernoulli bandit, of which the best that a memory can do is known."""

from __future__ import annotations

import gymnasium.spaces as gs
import torch
from torch import Tensor

from engram.common.option_types import Count, Index
from engram.common.random import hash_integers, purpose, uniform
from engram.envs.beginnings import redrawn
from engram.envs.diagnostic.bandit_optimum import optimal_return
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv

_ARMS, _PULLS = purpose("arms"), purpose("pulls")


class Bandit(NativeVectorEnv):
    """Pull one of several arms; each pays 1 with a probability of its own, drawn uniformly for every episode.

    The observation says whether the last pull paid, 0 on the first row. Which arm it was an agent sees as its previous
    action. The episode terminates after `num_pulls` pulls; its return is the number of those that paid.

    `best_return` is what a perfect memory has on average, the Bayes-optimal sum by dynamic programming (6.65999 for 5
    arms and 10 pulls); None where that would take long. Pulling at random gives `num_pulls / 2`. Within a trial
    (`env.trials`) the arms stay, and each pull's luck is new.

    Source: the bandits of Duan et al. 2016, RL².

    Args:
        num_envs: number of environments B.
        num_arms: number of arms.
        num_pulls: pulls in an episode.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
    """

    def __init__(
        self,
        num_envs: Count,
        num_arms: Count = 5,
        num_pulls: Count = 10,
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        self.name = "diagnostic/bandit"
        self.num_arms = num_arms
        self.num_pulls = self.max_episode_steps = num_pulls
        self.single_observation_space = gs.Discrete(2)
        self.single_action_space = gs.Discrete(num_arms)
        self.best_return = optimal_return(num_arms, num_pulls)
        self.chance_return = num_pulls / 2

    def best_of_trial(self, trials: int) -> float | None:  # noqa: D102
        return optimal_return(self.num_arms, trials * self.num_pulls)

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        return self.begin_within(seed, env_index, episode, torch.zeros_like(episode))

    def begin_within(  # noqa: D102
        self, seed: Tensor, env_index: Tensor, trial: Tensor, number: Tensor
    ) -> dict[str, Tensor]:
        arm = torch.arange(self.num_arms, device=seed.device)
        parts = (part.unsqueeze(1) for part in (env_index, trial))
        return {
            "arms": uniform(seed.unsqueeze(1), _ARMS, *parts, arm),
            "stream": redrawn(hash_integers(seed, _PULLS, env_index, trial), number),
            "paid": torch.zeros_like(seed),
        }

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        chance = task["arms"].gather(1, action.unsqueeze(1)).squeeze(1)
        paid = uniform(task["stream"], time) < chance
        terminated = time == self.num_pulls - 1
        moved = {**task, "paid": paid.to(torch.int64)}
        return moved, paid.to(torch.float32), terminated, torch.zeros_like(terminated)

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return the probability that each arm pays."""
        return {"arms": Hidden(task["arms"], rows_ago=torch.zeros_like(time))}

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor:  # noqa: D102
        return task["paid"]
