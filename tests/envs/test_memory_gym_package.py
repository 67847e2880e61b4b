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


class EndlessMortarMayhemEnv(Timed):
    """One of lists of commands, with what the package keeps of them; an action of 1 fails the last of three."""

    rotated_agent_surface = rotated_agent_rect = "of the last episode"

    def reset(self, *, seed=None, options=None):
        said = super().reset(seed=seed, options=options)
        self.reset_params = {"initial_command_count": 2}
        self._commands, self._command_visualization, self._total_commands_completed = [0, 1, 2], [], 4
        return said

    def step(self, action):
        if action == 1:
            self._commands, self._command_visualization = [0, 1, 2, 3], ["up"]
        *said, _ = super().step(action)
        info = {"commands_completed": 4, "max_command_sequence": len(self._commands) - 1}
        return *said, info if said[2] else {}


Timed.__module__ = EndlessMortarMayhemEnv.__module__ = EndlessTimed.__module__ = "memory_gym.timed"


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


def test_only_lists_that_were_carried_out_count_and_no_picture_shows_the_past() -> None:
    env = corrected(EndlessMortarMayhemEnv())
    env.reset()
    assert env.unwrapped.rotated_agent_surface is None and env.unwrapped.rotated_agent_rect is None
    done = {"commands_completed": 4, "max_command_sequence": 2}
    assert env.step(1)[2:] == (True, False, done)
    env.reset()
    assert [env.step(0) for _ in range(3)][-1][2:] == (False, True, done)
    env.reset()
    env.unwrapped._commands = [0, 1]  # the first two were not carried out
    assert [env.step(0) for _ in range(3)][-1][4]["max_command_sequence"] == 0


@pytest.fixture
def package():
    pytest.importorskip(
        "memory_gym", reason="needs memory-gym: pip install --no-deps memory-gym==1.0.2 pygame-ce"
    )


@pytest.mark.parametrize(
    "name",
    ["memory_gym/mortar_mayhem_grid_3", "memory_gym/mystery_path_grid", "memory_gym/endless_mortar_mayhem"],
)
def test_both_versions_have_the_same_spaces(name: str, package) -> None:
    theirs, ours = (make_env(name, 2, backend=backend) for backend in ("package", "native"))
    assert theirs.single_observation_space == ours.single_observation_space
    assert theirs.single_action_space == ours.single_action_space
    assert theirs.chance_return == ours.chance_return
    row, other = theirs.reset(0), ours.reset(0)
    assert row["obs"].shape == other["obs"].shape and row["obs"].dtype == other["obs"].dtype
    length = 0
    while not row["is_last"][0]:
        row, length = theirs.step(torch.zeros_like(row["prev_action"])), length + 1
    if "endless" in name:
        # Who stays where it is fails with the first command that does not say so, the last one of a list.
        longest = int(theirs.report()["max_command_sequence"][0])
        assert length == (22, 74, 150)[longest] and row["is_terminal"][0]
        return
    if "path" in name:
        assert length == 128 and not row["is_terminal"].any()
    else:
        assert length in (18, 26, 34) and row["is_terminal"][0]
    assert theirs.report()["success_rate"][0].item() == (length == 34)


def test_an_episode_begins_with_its_own_picture(package) -> None:
    env = make_env("memory_gym/endless_mortar_mayhem", 1, backend="package")
    row, action = env.reset(0), torch.tensor([[2, 1]])
    while not row["is_last"]:
        row = env.step(action)
    first, second, third = (env.step(action) for _ in range(3))
    assert first["is_first"] and (row["obs"] != first["obs"]).any()
    assert torch.equal(second["obs"], first["obs"]) and torch.equal(third["obs"], first["obs"])


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
