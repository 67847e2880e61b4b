"""The package memory-gym itself: where its episodes end, what counts as a success, its parameters."""

import gymnasium
import numpy as np
import pytest
import torch

from engram.envs import GymnasiumEnv, make_env
from engram.envs.corrections import corrected
from engram.envs.memory_gym.package import PackageEpisodes


class Timed(gymnasium.Env):
    """What the package's environments do: a time limit that terminates, a success that may be none."""

    action_space = gymnasium.spaces.Discrete(2)
    observation_space = gymnasium.spaces.Discrete(9)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.max_episode_steps, self.options = 0, 3, options
        self.num_commands, self._current_command, self._target_pos = 2, 2, (0, 1)
        self.normalized_agent_position = (0, 0)
        return 0, {}

    def step(self, action):
        self.t += 1
        is_over = bool(action) or self.t == self.max_episode_steps
        info = {"success": int(action), "commands_completed": 1.0} if is_over else {}
        return self.t, 0.0, is_over, False, info


class EndlessTimed(Timed):
    """One in which nothing is a success."""


Timed.__module__ = EndlessTimed.__module__ = "memory_gym.timed"


def test_time_limits_truncate_and_failed_commands_are_no_success() -> None:
    env = corrected(Timed())
    assert isinstance(env, PackageEpisodes) and corrected(env) is env
    env.reset(options={"a": 1})
    assert env.unwrapped.options == {"a": 1}
    assert [env.step(0)[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]
    for kind, said in ((Timed, {"success": 0}), (EndlessTimed, {})):
        one = PackageEpisodes(kind(), {"b": 2})
        assert one.reset() == (0, {}) and one.unwrapped.options == {"b": 2}
        # The package says how an episode went only where it ends it itself.
        assert [one.step(0) for _ in range(3)][-1][2:] == (False, True, said)
    env.reset()
    assert env.step(1)[2:] == (True, False, {"success": 0, "commands_completed": 0.5})
    env.reset()
    env.step(0), env.step(0)
    env.unwrapped.normalized_agent_position = (0, 1)
    assert env.step(1)[2:] == (True, False, {"success": 1, "commands_completed": 1.0})
    plain = gymnasium.make("CartPole-v1")
    assert corrected(plain) is plain


@pytest.fixture
def package():
    pytest.importorskip(
        "memory_gym", reason="needs memory-gym: pip install --no-deps memory-gym==1.0.2 pygame-ce"
    )


@pytest.mark.parametrize("name", ["memory_gym/mortar_mayhem_grid_3", "memory_gym/mystery_path_grid"])
def test_both_versions_have_the_same_spaces(name: str, package) -> None:
    theirs, ours = (make_env(name, 2, backend=backend) for backend in ("package", "native"))
    assert theirs.single_observation_space == ours.single_observation_space
    assert theirs.single_action_space == ours.single_action_space
    assert theirs.chance_return == ours.chance_return
    row, other = theirs.reset(0), ours.reset(0)
    assert row["obs"].shape == other["obs"].shape and row["obs"].dtype == other["obs"].dtype
    length = 0
    while not row["is_last"][0]:
        row, length = theirs.step(torch.zeros(2, dtype=torch.int64)), length + 1
    if "path" in name:
        assert length == 128 and not row["is_terminal"].any()
    else:
        assert length in (18, 26, 34) and row["is_terminal"][0]
    assert theirs.report()["success_rate"][0].item() == (length == 34)


@pytest.mark.parametrize(
    ("id", "options", "length", "reported"),
    [
        ("SearingSpotlights", {"max_steps": 20}, 20, {"success_rate": 0}),
        ("Endless-MysteryPath", {"max_steps": 9}, 9, {}),
    ],
)
def test_parameters_reach_it(id: str, options: dict, length: int, reported: dict, package) -> None:
    env = GymnasiumEnv(f"memory_gym:{id}-v0", 1, reset_options=options)
    env.reset(0)
    shape = env.single_action_space.shape
    for _ in range(length):
        row = env.step(torch.zeros(1, *shape, dtype=torch.int64))
    assert row["is_last"].item() and not row["is_terminal"].item() and env.report() == reported
    assert np.isfinite(row["reward"].item())
