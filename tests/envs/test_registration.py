"""Native environments through Gymnasium's own doors."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from engram import envs
from engram.envs import RecallFirst
from engram.envs.vector_native import NativeGymnasiumVectorEnv

ID = "engram/RecallFirst-v0"


def test_the_vector_is_the_native_environment() -> None:
    vector = gymnasium.make_vec(ID, num_envs=3, vectorization_mode="vector_entry_point", delay=2)
    assert isinstance(vector.unwrapped, NativeGymnasiumVectorEnv) and vector.num_envs == 3
    assert vector.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    native = RecallFirst(3, delay=2)
    obs, infos = vector.reset(seed=4)
    row = native.reset(4)
    vector.action_space.seed(0)
    for _ in range(12):
        assert vector.observation_space.contains(obs)
        np.testing.assert_array_equal(obs, row["obs"].numpy())
        actions = vector.action_space.sample()
        obs, reward, terminated, truncated, infos = vector.step(actions)
        row = native.step(torch.as_tensor(actions))
        np.testing.assert_array_equal(reward, row["reward"].numpy())
        np.testing.assert_array_equal(terminated, row["is_terminal"].numpy())
        assert reward.dtype == np.float64 and not truncated.any()
        ended = terminated.any()  # all at once: the delay is one
        assert infos.keys() == ({"success", "_success"} if ended else set())
        if ended:
            np.testing.assert_array_equal(infos["success"], reward > 0)


def test_a_single_one_passes_gymnasiums_checker() -> None:
    env = gymnasium.make(f"engram.envs:{ID}", delay=2)
    check_env(env.unwrapped, skip_render_check=True)
    first, _ = env.reset(seed=1)
    starts = [first, *(env.reset()[0] for _ in range(20))]
    env.step(0)
    assert len({int(start) for start in starts}) > 1
    again = [env.reset(seed=1)[0], *(env.reset()[0] for _ in range(20))]
    assert starts == again
    assert [env.step(0)[2] for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize("mode", ["sync", "vector_entry_point"])
def test_resets_without_a_seed_differ(mode: str) -> None:
    vector = gymnasium.make_vec(ID, num_envs=30, vectorization_mode=mode)
    vector.reset(seed=3)
    assert not np.array_equal(vector.reset()[0], vector.reset()[0])


def test_also_through_the_adapter() -> None:
    env = envs.GymnasiumEnv(ID, 2, kwargs={"delay": 1})
    env.reset(0)
    rows = [env.step(torch.zeros(2, dtype=torch.int64)) for _ in range(3)]
    assert [row["is_last"].all().item() for row in rows] == [False, True, False]


def test_registering_twice_does_nothing() -> None:
    envs.register()
    envs.register()
