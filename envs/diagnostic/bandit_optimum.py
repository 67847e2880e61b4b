"""What a Bernoulli bandit is worth to a perfect memory: dynamic programming over what the arms have paid."""

from __future__ import annotations

import functools
from collections.abc import Iterator

Arm = tuple[int, int]
"""How often an arm has paid, and how often not."""
Known = tuple[Arm, ...]
"""The arms that were pulled, in order: which is which does not matter, since all begin alike."""
_UNKNOWN: Arm = (0, 0)
_MOST_STATES = 10_000
"""Of what can be known; more would take seconds."""


@functools.cache
def optimal_return(num_arms: int, num_pulls: int) -> float | None:
    """Return the greatest mean sum of rewards that a player can have who does not know the arms.

    Each arm pays 1 with a probability of its own, drawn uniformly from [0, 1], so that one which paid s times and f
    times not pays next with (s + 1) / (s + f + 2). The best of what can be known then is V = max over arms of
    p (1 + V(paid)) + (1 - p) V(not paid).

    Source: Duan et al. 2016 compare with Gittins' index, which is for endless play; this is exact for what ends.

    Args:
        num_arms: number of arms.
        num_pulls: until the end.

    Returns:
        The sum; None where there is more to know than can be gone through in a moment.
    """
    layers: list[set[Known]] = [{()}]
    for _ in range(num_pulls - 1):
        layers.append(
            {after for known in layers[-1] for _, *both in _pulls(known, num_arms) for after in both}
        )
        if sum(map(len, layers)) > _MOST_STATES:
            return None
    worth: dict[Known, float] = {}
    for layer in reversed(layers):
        worth = {
            known: max(
                chance * (1.0 + worth.get(paid, 0.0)) + (1.0 - chance) * worth.get(unpaid, 0.0)
                for chance, paid, unpaid in _pulls(known, num_arms)
            )
            for known in layer
        }
    return worth[()]


def _pulls(known: Known, num_arms: int) -> Iterator[tuple[float, Known, Known]]:
    """The chance of each pull to pay, and what is known when it has, and when it has not; equal arms once."""
    for arm in {*known, *([_UNKNOWN] if len(known) < num_arms else [])}:
        others = list(known)
        if arm != _UNKNOWN:
            others.remove(arm)
        wins, losses = arm
        paid, unpaid = (tuple(sorted([*others, one])) for one in ((wins + 1, losses), (wins, losses + 1)))
        yield (wins + 1) / (wins + losses + 2), paid, unpaid
