"""Plays a fixed number of episodes with a policy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from tensordict import TensorDict

from envs.driver import Act
from envs.vector_env import VectorEnv


@dataclass(frozen=True)
class EvaluationResult:
    """The episodes of an evaluation, ordered by environment, then time.

    Attributes:
        returns: sums of reward.
        lengths: numbers of actions.
        mean: mean return.
        standard_error: of the mean return; NaN for a single episode.
    """

    returns: list[float]
    lengths: list[int]

    @property
    def mean(self) -> float:  # noqa: D102
        return sum(self.returns) / len(self.returns)

    @property
    def standard_error(self) -> float:  # noqa: D102
        count = len(self.returns)
        if count < 2:
            return math.nan
        return math.sqrt(sum((value - self.mean) ** 2 for value in self.returns) / (count - 1) / count)


@torch.no_grad()
def evaluate(
    env: VectorEnv,
    act: Act,
    initial_carry: TensorDict,
    episodes: int,
    seed: int,
    on_frame: Callable[[np.ndarray], None] | None = None,
) -> EvaluationResult:
    """Reset the environments and play until each has finished its share of the episodes.

    Shares are fixed beforehand, as even as can be, the first environments playing one more. To take whichever
    episodes finish first would favour short ones.

    Args:
        env: environments that are not used for training meanwhile.
        act: the policy, `(row, carry) -> action, carry, extras`.
        initial_carry: of the policy, [B].
        episodes: how many in all, at least 1.
        seed: of the environments.
        on_frame: called with a picture (uint8 [height, width, 3]) of every row of environment 0's episodes.

    Returns:
        Returns and lengths of exactly `episodes` episodes.
    """
    if episodes < 1:
        raise ValueError(f"An evaluation needs at least 1 episode, but episodes={episodes}: ask for more.")
    quotas = [episodes // env.num_envs + (index < episodes % env.num_envs) for index in range(env.num_envs)]
    returns: list[list[float]] = [[] for _ in quotas]
    lengths: list[list[int]] = [[] for _ in quotas]
    total = np.zeros(env.num_envs)
    length = np.zeros(env.num_envs, dtype=np.int64)
    unfinished = episodes
    row, carry = env.reset(seed), initial_carry.clone()
    while True:
        if on_frame is not None and len(returns[0]) < quotas[0]:
            on_frame(env.render(0))
        total += row["reward"].cpu().numpy()
        length += ~row["is_first"].cpu().numpy()
        for index in row["is_last"].cpu().numpy().nonzero()[0]:
            if len(returns[index]) < quotas[index]:
                returns[index].append(float(total[index]))
                lengths[index].append(int(length[index]))
                unfinished -= 1
            total[index] = length[index] = 0
        if not unfinished:
            return EvaluationResult([*chain(*returns)], [*chain(*lengths)])
        action, carry, _ = act(row, carry)
        row = env.step(action)
