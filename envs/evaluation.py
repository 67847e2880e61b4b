"""Plays a fixed number of episodes with a policy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tensordict import TensorDict, TensorDictBase

from engram.common.checked import checked
from engram.common.metric_names import LENGTH, RETURN
from engram.common.option_types import Count
from engram.common.random import hash_to_int
from engram.common.rows import Act
from engram.common.vector_env import VectorEnv
from engram.envs.captured import CapturedPlay
from engram.envs.evaluation_rows import Report, RowStream
from engram.envs.finite import check_finite


class EvaluationStoppedError(Exception):
    """An evaluation that was asked to stop before it was complete."""


@dataclass(frozen=True)
class EvaluationResult:
    """The episodes of an evaluation, ordered by environment, then time.

    Attributes:
        episodes: by name, `episodic_return`, `episodic_length` and whatever the environment reports, each of the
            episodes that have it.
        num_truncated: episodes that had not ended at the limit of the evaluation.
        returns: sums of reward.
        lengths: numbers of actions.
        reported: what the environment reports, apart from these two.
        mean: mean return.
        standard_error: of the mean return; NaN for a single episode.
    """

    episodes: dict[str, list[float]]
    num_truncated: int = 0

    @property
    def returns(self) -> list[float]:  # noqa: D102
        return self.episodes[RETURN]

    @property
    def lengths(self) -> list[float]:  # noqa: D102
        return self.episodes[LENGTH]

    @property
    def reported(self) -> dict[str, list[float]]:  # noqa: D102
        return {name: values for name, values in self.episodes.items() if name not in (RETURN, LENGTH)}

    @property
    def mean(self) -> float:  # noqa: D102
        return mean_and_error(self.returns)[0]

    @property
    def standard_error(self) -> float:  # noqa: D102
        return mean_and_error(self.returns)[1]


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean of some values and its standard error, which is NaN for a single one."""
    count = len(values)
    mean = sum(values) / count
    if count < 2:
        return mean, math.nan
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1) / count)


@checked
@torch.no_grad()
def evaluate(
    env: VectorEnv,
    act: Act,
    initial_carry: TensorDict,
    episodes: Count,
    seed: int,
    on_frame: Callable[[np.ndarray], None] | None = None,
    *,
    max_episode_steps: Count | None = None,
    should_stop: Callable[[], bool] | None = None,
    captured: CapturedPlay | None = None,
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
        captured: a recording of the environments and the policy, which is played instead; without pictures.

    Returns:
        Exactly `episodes` episodes.

    Raises:
        ValueError: for less than one episode or step.
        EvaluationStoppedError: once `should_stop` says so.
        FloatingPointError: if an observation or a reward is not a finite number.
    """
    tally = _Tally(env.name, env.num_envs, episodes, max_episode_steps)
    assert captured is None or on_frame is None, "a recording draws no pictures"
    stream = RowStream(env, act, initial_carry.clone(), captured)
    for attempt in itertools.count():
        first = env.reset(hash_to_int("evaluation", seed, attempt) if attempt else seed)
        tally.begin()
        for row, report in stream.rows(first):
            if on_frame is not None and tally.is_playing[0]:
                on_frame(env.render(0))
            tally.add(row, report)
            if not tally.is_playing.any():
                break
            if should_stop is not None and should_stop():
                raise EvaluationStoppedError("The evaluation was asked to stop.")
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
        self._episodes: list[list[dict[str, float]]] = [[] for _ in self._quotas]
        self._num_truncated = 0

    def begin(self) -> None:
        """All environments have been reset."""
        self._total = np.zeros(len(self._quotas))
        self._length = np.zeros(len(self._quotas), dtype=np.int64)
        self.is_playing = np.array(
            [len(own) < quota for own, quota in zip(self._episodes, self._quotas, strict=True)]
        )

    def add(self, row: TensorDictBase, report: Report) -> None:
        """Count a row [B]; `report` gives what is reported at it."""
        self._total += row["reward"].cpu().numpy()
        self._length += ~row["is_first"].cpu().numpy()
        check_finite(self._name, row, self.is_playing, [*map(len, self._episodes)], self._length)
        is_last = row["is_last"].cpu().numpy()
        is_over = is_last | (self._length >= self._limit)
        ended = (is_over & self.is_playing).nonzero()[0]
        reported = {name: values.tolist() for name, values in report().items()} if len(ended) else {}
        for index in ended:
            episode = {
                name: values[index] for name, values in reported.items() if values[index] == values[index]
            }
            known = {RETURN: float(self._total[index]), LENGTH: int(self._length[index])}
            self._episodes[index].append(known | episode)
            self._num_truncated += int(not is_last[index])
            self.is_playing[index] = is_last[index] and len(self._episodes[index]) < self._quotas[index]
        self._total[is_last] = self._length[is_last] = 0

    @property
    def is_complete(self) -> bool:
        """Whether every environment has finished its share."""
        return [len(own) for own in self._episodes] == self._quotas

    def result(self) -> EvaluationResult:
        """All episodes counted."""
        episodes: dict[str, list[float]] = {}
        for episode in itertools.chain.from_iterable(self._episodes):
            for name, value in episode.items():
                episodes.setdefault(name, []).append(value)
        return EvaluationResult(episodes, self._num_truncated)
