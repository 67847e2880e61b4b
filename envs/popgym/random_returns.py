"""What chance is worth in the tasks of POPGym."""

from __future__ import annotations

# Mean return of uniformly random actions at easy, medium and hard, measured on the native tasks over 2,000 episodes
# (300 for labyrinths), with a standard error of at most 0.042; `tests/envs/test_popgym_returns.py` plays them again.
_RETURNS = {
    "autoencode": (-0.503, -0.499, -0.496),
    "battleship": (-0.450, -0.417, -0.392),
    "concentration": (-0.194, -0.187, -0.836),
    "count_recall": (-0.926, -0.925, -0.881),
    "higher_lower": (0.002, 0.001, 0.001),
    "labyrinth_escape": (-0.478, -0.846, -0.948),
    "labyrinth_explore": (-0.366, -0.608, -0.745),
    "mine_sweeper": (-0.221, -0.401, -0.431),
    "multiarmed_bandit": (-0.008, -0.003, -0.002),
    "noisy_position_only_cart_pole": (0.114, 0.114, 0.114),
    "noisy_position_only_pendulum": (0.249, 0.249, 0.249),
    "position_only_cart_pole": (0.114, 0.057, 0.038),
    "position_only_pendulum": (0.249, 0.249, 0.248),
    "repeat_first": (-0.498, -0.499, -0.499),
    "repeat_previous": (-0.496, -0.499, -0.501),
    "velocity_only_cart_pole": (0.114, 0.057, 0.038),
}
_DIFFICULTIES = ("easy", "medium", "hard")


def random_return(name: str) -> float | None:
    """The mean return of random play in a task, such as `repeat_previous_easy`; None for what is none of the 48."""
    family, _, difficulty = name.rpartition("_")
    if family not in _RETURNS or difficulty not in _DIFFICULTIES:
        return None
    return _RETURNS[family][_DIFFICULTIES.index(difficulty)]
