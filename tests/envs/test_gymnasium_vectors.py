"""Natives as Gymnasium vectors do what Gymnasium's own vector of single ones does, in every autoreset mode."""

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from test_gymnasium_clients import equal

TASKS = {
    "engram/RecallFirst-v0": {"delay": 2},
    "engram/popgym-Autoencode-v0": {},
    "engram/popgym-CountRecall-v0": {},
    "engram/popgym-LabyrinthEscape-v0": {"episode_length": 5},
    "engram/popgym-MineSweeper-v0": {},
    "engram/popgym-MultiarmedBandit-v0": {"episode_length": 3},
    "engram/popgym-PositionOnlyPendulum-v0": {"max_episode_length": 4},
}
SEEDS = [5, 6, 2**70]


def both(id: str, mode: str):
    """A native, and singles in a vector of Gymnasium's."""
    sync = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": mode}}
    return gymnasium.make_vec(id, 3, autoreset_mode=mode, **TASKS[id]), gymnasium.make_vec(
        id, 3, **sync, **TASKS[id]
    )


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
@pytest.mark.parametrize("id", TASKS)
def test_a_native_is_gymnasiums_vector_of_single_ones(id: str, mode: str) -> None:
    native, sync = both(id, mode)
    assert native.metadata["autoreset_mode"] is sync.metadata["autoreset_mode"]
    assert equal(native.reset(seed=SEEDS), sync.reset(seed=SEEDS))
    native.action_space.seed(3)
    for _ in range(25):
        action = native.action_space.sample()
        given, expected = native.step(action), sync.step(action)
        assert equal(given, expected)
        ended = given[2] | given[3]
        if mode == "Disabled" and ended.any():
            with pytest.raises(ResetNeeded, match="have ended: call reset, with the option reset_mask"):
                native.step(action)
            given = native.reset(options={"reset_mask": ended})
            assert equal(given, sync.reset(options={"reset_mask": ended}))
    mask = np.array([True, False, True])
    for seed in (None, [1, None, 2**63]):
        given = native.reset(seed=seed, options={"reset_mask": mask})
        assert equal(given, sync.reset(seed=seed, options={"reset_mask": mask}))
    assert equal(native.reset(), sync.reset())


def test_wrong_options_are_refused_by_one_sentence() -> None:
    with pytest.raises(ValueError, match="but it is 3: leave it out"):
        gymnasium.make_vec("engram/RecallFirst-v0", 2, max_episode_steps=3)
    vector = gymnasium.make_vec("engram/RecallFirst-v0", 2)
    with pytest.raises(ValueError, match=r"true somewhere, but it is bool of shape \[2\] with 0"):
        vector.reset(options={"reset_mask": np.zeros(2, np.bool_)})
    with pytest.raises(ValueError, match=r"one seed for each of 2 environments, but got \[1\]"):
        vector.reset(seed=[1])
    with pytest.raises(
        ValueError, match="autoreset_mode must be NextStep, SameStep or Disabled, but it is 'Never'"
    ):
        gymnasium.make_vec("engram/RecallFirst-v0", 2, autoreset_mode="Never")
