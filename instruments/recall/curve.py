"""Success, or return, against a distance: points with intervals, and what is read off them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from engram.analysis.statistics import mean_of_episodes
from engram.common.metric_names import RETURN, SUCCESS_RATE
from engram.envs import EvaluationResult


class RecallPoint(NamedTuple):
    """What episodes at one distance came to.

    Attributes:
        distance: a delay, or a number of rows; None is without an end.
        mean: share of successes where the task reports them, else mean return.
        low: lower end of its interval; None where one episode leaves none.
        high: upper end.
        chance: what uniformly random actions come to, likewise.
        episodes: how many.
    """

    distance: float | None
    mean: float
    low: float | None
    high: float | None
    chance: float
    episodes: int

    @property
    def is_recalled(self) -> bool:
        """Whether it is above chance beyond doubt."""
        return self.low is not None and self.low > self.chance


def measure_of(result: EvaluationResult) -> str:
    """Say what is measured: `success_rate` where the task reports successes, else `episodic_return`."""
    return SUCCESS_RATE if SUCCESS_RATE in result.episodes else RETURN


def point_of(distance: float | None, result: EvaluationResult, chance: EvaluationResult) -> RecallPoint:
    """Make a point of episodes of an agent, and of uniformly random actions in the same environments."""
    name = measure_of(result)
    found = mean_of_episodes(result.episodes[name])
    expected = mean_of_episodes(chance.episodes[name]).value
    low, high = (None if end is None else float(end) for end in (found.low, found.high))
    return RecallPoint(distance, float(found.value), low, high, float(expected), len(result.episodes[name]))


def reach_of(points: Sequence[RecallPoint]) -> float | None:
    """Return the largest distance whose interval lies above chance; None if there is none."""
    return max(
        (point.distance for point in points if point.is_recalled and point.distance is not None), default=None
    )


def half_distance_of(points: Sequence[RecallPoint]) -> float | None:
    """Return the distance, beyond the best one, at which half of what that is above chance is lost.

    Args:
        points: by rising distance; between them it is linear.

    Returns:
        None if half is never lost, or there was nothing to lose.
    """
    known = [(point.distance, point.mean - point.chance) for point in points if point.distance is not None]
    best = max(range(len(known)), key=lambda place: known[place][1], default=0)
    known = known[best:]
    if not known or known[0][1] <= 0:
        return None
    half = known[0][1] / 2
    for (near, above), (far, below) in pairwise(known):
        if above > half >= below:
            return near + (far - near) * (above - half) / (above - below)
    return None
