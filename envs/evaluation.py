"""Plays a fixed number of episodes with a policy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from tensordict import TensorDict, TensorDictBase

from engram.common.random import hash_to_int
from engram.envs.driver import Act
from engram.envs.finite import check_finite
from engram.envs.vector_env import VectorEnv


class EvaluationStoppedError(Exception):
    """An evaluation that was asked to stop before it was complete."""


@dataclass(frozen=True)
class EvaluationResult:
    """The episodes of an evaluation, ordered by environment, then time.

    Attributes:
        returns: sums of reward.
        lengths: numbers of actions.
        num_truncated: episodes that had not ended at the limit of the evaluation.
        mean: mean return.
        standard_error: of the mean return; NaN for a single episode.
    """

    returns: list[float]
    lengths: list[int]
    num_truncated: int = 0

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
    *,
    max_episode_steps: int | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> EvaluationResult:
    """Reset the environments and play until each has finished its share of the episodes.

    Shares are fixed beforehand, as even as can be, the first environments playing one more. To take whichever
    episodes finish first would favour short ones.

    An episode that reaches `max_episode_steps` counts as it stands. Its environment then waits for the others, and all
    of them begin anew with another seed, because no environment can be reset alone.

    Args:
        env: environments that are not used for training meanwhile.
        act: the policy, `(row, carry) -> action, carry, extras`.
        initial_carry: of the policy, [B].
        episodes: how many in all, at least 1.
        seed: of the environments.
        on_frame: called with a picture (uint8 [height, width, 3]) of every row of environment 0's episodes.
        max_episode_steps: truncate episodes after so many actions; None waits for their ends.
        should_stop: asked before every step.

    Returns:
        Returns and lengths of exactly `episodes` episodes.

    Raises:
        ValueError: for less than one episode or step.
        EvaluationStoppedError: once `should_stop` says so.
        FloatingPointError: if an observation or a reward is not a finite number.
    """
    if episodes < 1:
        raise ValueError(f"An evaluation needs at least 1 episode, but episodes={episodes}: ask for more.")
    if max_episode_steps is not None and max_episode_steps < 1:
        raise ValueError(
            f"An evaluation's max_episode_steps must be at least 1 or None, but it is {max_episode_steps}: raise it."
        )
    tally = _Tally(env.name, env.num_envs, episodes, max_episode_steps)
    carry = initial_carry.clone()
    for attempt in itertools.count():
        row = env.reset(hash_to_int("evaluation", seed, attempt) if attempt else seed)
        tally.begin()
        while True:
            if on_frame is not None and tally.is_playing[0]:
                on_frame(env.render(0))
            tally.add(row)
            if not tally.is_playing.any():
                break
            if should_stop is not None and should_stop():
                raise EvaluationStoppedError("The evaluation was asked to stop.")
            action, carry, _ = act(row, carry)
            row = env.step(action)
        if tally.is_complete:
            break
    return tally.result()


class _Tally:
    """Counts episodes, each environment's share of them.

    Args:
        name: of the environments.
        num_envs: number of environments B.
        episodes: to be counted in all.
        max_episode_steps: limit of an episode's length.

    Attributes:
        is_playing: [B]; has a share left, and no episode that was truncated since `begin`.
    """

    def __init__(self, name: str, num_envs: int, episodes: int, max_episode_steps: int | None) -> None:
        self._name = name
        self._quotas = [episodes // num_envs + (index < episodes % num_envs) for index in range(num_envs)]
        self._limit = math.inf if max_episode_steps is None else max_episode_steps
        self._returns: list[list[float]] = [[] for _ in self._quotas]
        self._lengths: list[list[int]] = [[] for _ in self._quotas]
        self._num_truncated = 0

    def begin(self) -> None:
        """All environments have been reset."""
        self._total = np.zeros(len(self._quotas))
        self._length = np.zeros(len(self._quotas), dtype=np.int64)
        self.is_playing = np.array(
            [len(own) < quota for own, quota in zip(self._returns, self._quotas, strict=True)]
        )

    def add(self, row: TensorDictBase) -> None:
        """Count a row [B]."""
        self._total += row["reward"].cpu().numpy()
        self._length += ~row["is_first"].cpu().numpy()
        check_finite(self._name, row, self.is_playing, [*map(len, self._returns)], self._length)
        is_last = row["is_last"].cpu().numpy()
        is_over = is_last | (self._length >= self._limit)
        for index in (is_over & self.is_playing).nonzero()[0]:
            self._returns[index].append(float(self._total[index]))
            self._lengths[index].append(int(self._length[index]))
            self._num_truncated += int(not is_last[index])
            self.is_playing[index] = is_last[index] and len(self._returns[index]) < self._quotas[index]
        self._total[is_last] = self._length[is_last] = 0

    @property
    def is_complete(self) -> bool:
        """Whether every environment has finished its share."""
        return [len(own) for own in self._returns] == self._quotas

    def result(self) -> EvaluationResult:
        """All episodes counted."""
        flat = itertools.chain.from_iterable
        return EvaluationResult([*flat(self._returns)], [*flat(self._lengths)], self._num_truncated)
