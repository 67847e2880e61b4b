"""What uniformly random actions are worth in a T-maze, exactly and without playing."""

from __future__ import annotations

from collections import defaultdict

# Of a longer way back the sums would take seconds.
_FARTHEST_ORACLE = 100
# Walkers that are still on time are so few that they no longer count.
_NOBODY = 1e-12


def random_walk_return(corridor_length: int, oracle_length: int, penalty: float) -> float | None:
    """Return the mean return of uniformly random actions in `TMaze`.

    Who lags behind once lags behind to the end, and never reaches the junction: so it is enough to follow the
    walkers who are on time, by the steps that they have lost and by whether they stand beside the junction.

    Args:
        corridor_length: steps from the start to the junction.
        oracle_length: steps from the start back to the oracle.
        penalty: reward of an action that leaves the agent behind.

    Returns:
        The mean; None where the oracle is more than 100 steps away.
    """
    if oracle_length > _FARTHEST_ORACLE:
        return None
    junction = oracle_length + corridor_length
    last = corridor_length + 2 * oracle_length
    on_time = {(0, False): 1.0}  # (steps lost, beside the junction) -> share of walkers
    total = 0.0
    for time in range(last):
        after: dict[tuple[int, bool], float] = defaultdict(float)
        for (lost, beside), share in on_time.items():
            for more, is_beside, part in _moves(oracle_length + time - lost, junction, beside):
                if lost + more <= 2 * oracle_length:
                    after[lost + more, is_beside] += share * part
        on_time = after
        here = sum(on_time.values())
        total += penalty * (1.0 - here)
        if here < _NOBODY:
            return total + penalty * (last - time - 1)
    lost = 2 * oracle_length  # who is at the junction has lost just so many
    ends_beside = 0.5 * on_time.get((lost, False), 0.0) + 0.75 * on_time.get((lost, True), 0.0)
    return total + 0.5 * ends_beside


def _moves(x: int, junction: int, beside: bool) -> list[tuple[int, bool, float]]:
    """The steps that each kind of move loses, whether it ends beside the junction, and its probability."""
    if beside:
        return [(1, True, 0.75), (1, False, 0.25)]
    back = (1 if x == 0 else 2, False, 0.25)
    if x == junction:
        return [(1, False, 0.25), back, (1, True, 0.5)]
    return [(0, False, 0.25), back, (1, False, 0.5)]
