"""Wrappers by name: Gymnasium's, those of allowed packages, and what is refused."""

import sys
import types

import gymnasium
import numpy as np
import pytest
import torch

from engram.agents.stored.build import build_maker
from engram.command_line.config import compose_config
from engram.envs import GymnasiumEnv
from engram.run_files.fixed_config import digest

CART = {"_target_": "engram.envs.GymnasiumEnv", "_partial_": True, "id": "CartPole-v1"}


class Doubled(gymnasium.RewardWrapper):
    def __init__(self, env, factor=2.0):
        super().__init__(env)
        self.factor = factor

    def reward(self, reward):
        return self.factor * reward


@pytest.fixture
def own_package(monkeypatch):
    """A package of one's own that defines a wrapper, and imports another one."""
    module = types.ModuleType("own_wrappers")
    monkeypatch.setattr(Doubled, "__module__", "own_wrappers")
    module.Doubled, module.RecordVideo, module.number = Doubled, gymnasium.wrappers.RecordVideo, 3
    monkeypatch.setitem(sys.modules, "own_wrappers", module)


def test_gymnasiums_by_their_names_the_first_innermost():
    wrappers = [
        {"FrameStackObservation": {"stack_size": 3}},
        "FlattenObservation",
        {"TimeLimit": {"max_episode_steps": 5}},
    ]
    env = GymnasiumEnv("CartPole-v1", 2, wrappers=wrappers)
    assert env.single_observation_space.shape == (12,)
    env.reset(0)
    rows = [env.step(torch.zeros(2, dtype=torch.int64)) for _ in range(5)]
    assert rows[-1]["is_last"].all() and not rows[-2]["is_last"].any()
    other = GymnasiumEnv("CartPole-v1", 2, wrappers=wrappers)
    assert torch.equal(other.load_state_dict(env.state_dict())["obs"], rows[-1]["obs"])
    assert other.resume_is_exact


def test_ones_own_need_the_package_to_be_allowed(own_package):
    description = CART | {"wrappers": ["own_wrappers.Doubled", {"own_wrappers.Doubled": {"factor": 3}}]}
    with pytest.raises(
        ValueError, match=r"if you trust the package 'own_wrappers', add allow=\[own_wrappers\]"
    ):
        build_maker(description, "env", ["num_envs", "device"])
    env = build_maker(description, "env", ["num_envs", "device"], ["own_wrappers"])(num_envs=1)
    env.reset(0)
    assert env.step(torch.zeros(1, dtype=torch.int64))["reward"].tolist() == [6.0]


@pytest.mark.parametrize(
    ("wrappers", "said"),
    [
        (["RecordVideo"], "A wrapper of Gymnasium's must be one of .*, but got 'RecordVideo'"),
        (["gymnasium.wrappers.rendering.RecordVideo"], "A wrapper of Gymnasium's must be one of"),
        (["gymnasium.wrappers.NormalizeObservation"], "A wrapper of Gymnasium's must be one of"),
        (["own_wrappers.RecordVideo"], "that the package own_wrappers defines"),
        (["own_wrappers.number"], "that the package own_wrappers defines"),
        (["nowhere_at_all.Wrapper"], "there is no module 'nowhere_at_all'"),
        ([{"TimeLimit": {"steps": 5}}], "The options of wrapper TimeLimit must be arguments of it"),
        ([{"ReshapeObservation": {"shape": [7]}}], "does not fit"),
        ([3], "A wrapper must be given by its name"),
        ([{"a": {}, "b": {}}], "A wrapper must be given by its name"),
    ],
)
def test_what_is_refused(own_package, wrappers, said):
    with pytest.raises(ValueError, match=said):
        GymnasiumEnv("CartPole-v1", 1, wrappers=wrappers)


@pytest.mark.parametrize(
    "error", [gymnasium.error.DependencyNotInstalled("pip install cv2"), ModuleNotFoundError("no cv2")]
)
def test_a_package_that_a_wrapper_needs_is_named(monkeypatch, error):
    def refuse(self, env):
        raise error

    monkeypatch.setattr(gymnasium.wrappers.GrayscaleObservation, "__init__", refuse)
    with pytest.raises(ValueError, match=r"Wrapper GrayscaleObservation needs a package .* cv2; install it"):
        GymnasiumEnv("CartPole-v1", 1, wrappers=["GrayscaleObservation"])


def test_words_of_the_command_line():
    words = ["env=gymnasium", "env.id=CartPole-v1"]
    values = compose_config(
        "train", [*words, "env.wrappers=[FlattenObservation,{TimeLimit:{max_episode_steps:9}}]"]
    ).values
    assert values["env"]["wrappers"] == ["FlattenObservation", {"TimeLimit": {"max_episode_steps": 9}}]
    env = build_maker(values["env"], "env", ["num_envs", "device"])(num_envs=1)
    rows = [env.reset(0), *(env.step(torch.tensor([step % 2])) for step in range(9))]
    assert rows[-1]["is_last"].all() and not np.any([row["is_terminal"].any() for row in rows])


def test_runs_of_before_are_the_same_runs():
    values = compose_config("train", ["env=gymnasium", "env.id=CartPole-v1"]).values
    before = {
        **values,
        "env": {
            key: value for key, value in values["env"].items() if key not in ("wrappers", "text", "text_size")
        },
    }
    assert digest(before) == digest(values)
