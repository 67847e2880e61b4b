"""TorchRL sees the native environments as its own: its checks pass, the episodes are the same."""

import re
from typing import Any

import native_ids
import pytest
import torch
from contract import assert_equal
from toy_envs import ScriptedNative

from engram import envs

pytest.importorskip("torchrl")
from torchrl.envs.utils import check_env_specs

from engram.envs.torchrl_env import TorchRLEnv

MAKERS = {"scripted": ScriptedNative, **native_ids.MAKERS}


@pytest.mark.parametrize("id", ["scripted", *native_ids.IDS])
def test_torchrls_checks_pass(id: str) -> None:
    env = TorchRLEnv(MAKERS[id](num_envs=3))
    check_env_specs(env, seed=1, break_when_any_done="both")


def compare(id: str, steps: int) -> int:
    """Follow every environment of a rollout of TorchRL by a native one alone; return the episodes ended."""
    env = TorchRLEnv(MAKERS[id](num_envs=3, **native_ids.options(id)), seed=7)
    torch.manual_seed(0)
    data = env.rollout(steps, break_when_any_done=False)
    ended = 0
    for index in range(3):
        native = MAKERS[id](num_envs=1, env_index_offset=index, **native_ids.options(id))
        row = native.reset(7)
        for now in data[index]:
            if row["is_last"]:
                row = native.step(now["action"].unsqueeze(0), in_space=True)
                ended += 1
            same(now["observation"], row["obs"][0])
            action = now["action"].unsqueeze(0)
            row = native.step(action, in_space=True)
            following = now["next"]
            same(following["observation"], row["obs"][0])
            assert following["reward"].item() == row["reward"].item()
            assert following["terminated"].item() == row["is_terminal"].item()
            assert following["done"].item() == row["is_last"].item()
            assert following["truncated"].item() == (row["is_last"] & ~row["is_terminal"]).item()
    return ended


def same(obs, other) -> None:
    if isinstance(obs, torch.Tensor):
        assert torch.equal(obs, other)
    else:
        assert_equal(obs, other)


def one_of_each(id: str) -> Any:
    """Larger tasks of a family are played by `make test-slow`."""
    is_larger = re.search(r"MemoryMaze-\d", id)
    return pytest.param(id, marks=pytest.mark.slow) if is_larger else id


@pytest.mark.parametrize(
    "id",
    [one_of_each(id) for id in ["scripted", *native_ids.IDS] if not id.endswith(("Medium-v0", "Hard-v0"))],
)
def test_the_episodes_are_those_of_the_native_environment(id: str) -> None:
    compare(id, 60)


def test_environments_that_end_apart_are_reset_apart() -> None:
    assert compare("scripted", 30) >= 9
    assert compare("engram/popgym-RepeatPreviousEasy-v0", 160) == 9


def test_a_reset_of_some_leaves_the_others() -> None:
    env = TorchRLEnv(envs.make_env("popgym/repeat_previous_easy", 4), seed=2)
    env.rollout(5)
    before = env.native_state.clone()
    mask = torch.tensor([[True], [False], [True], [False]])
    env.reset(env.fake_tensordict().set("_reset", mask))
    after = env.native_state
    assert (after["episode"] - before["episode"]).tolist() == [1, 0, 1, 0]
    assert_equal(after[1], before[1]), assert_equal(after[3], before[3])
    assert after["time"].tolist() == [0, 5, 0, 5]


def test_a_seed_names_the_episodes() -> None:
    first, again, other = (
        TorchRLEnv(envs.make_env("popgym/repeat_previous_easy", 16), seed=seed).reset()["observation"]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    env = TorchRLEnv(envs.make_env("popgym/repeat_previous_easy", 16), seed=1)
    env.reset()
    env.set_seed(2)
    assert torch.equal(env.reset()["observation"], other)
