"""Actions of any composition: what agents act in, and what the environment is given for it."""

import gymnasium
import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
from toy_envs import register

from engram.envs import FlatActions, GymnasiumEnv

SPACES = {
    "MultiBinary": (gs.MultiBinary(3), gs.MultiDiscrete([2, 2, 2]), [1, 0, 1], [1, 0, 1]),
    "MultiBinary with two axes": (
        gs.MultiBinary((2, 2)),
        gs.MultiDiscrete([2] * 4),
        [1, 0, 0, 1],
        [[1, 0], [0, 1]],
    ),
    "whole numbers": (
        gs.Box(np.array([-1, 2]), np.array([1, 3]), dtype=np.int32),
        gs.MultiDiscrete([3, 2]),
        [0, 1],
        [-1, 3],
    ),
    "two axes": (
        gs.MultiDiscrete([[2, 3], [4, 5]]),
        gs.MultiDiscrete([2, 3, 4, 5]),
        [1, 2, 3, 4],
        [[1, 2], [3, 4]],
    ),
    "Tuple": (
        gs.Tuple((gs.Discrete(3, start=5), gs.MultiDiscrete([2, 2], start=[1, 0]))),
        gs.MultiDiscrete([3, 2, 2]),
        [2, 0, 1],
        (7, [1, 1]),
    ),
    "Dict of choices": (
        gs.Dict(tool=gs.Discrete(4), keys=gs.Dict(left=gs.MultiBinary(2))),
        gs.MultiDiscrete([4, 2, 2]),
        [3, 1, 0],
        {"keys": {"left": [1, 0]}, "tool": 3},
    ),
    "choices and numbers": (
        gs.Dict(tool=gs.Discrete(3, start=5), aim=gs.Box(0, 4, (1, 2)), keys=gs.MultiBinary(2)),
        gs.Box(
            np.array([*[-np.inf] * 3, 0, 0, *[-np.inf] * 4], np.float32),
            np.array([*[np.inf] * 3, 4, 4, *[np.inf] * 4], np.float32),
        ),
        [-7.0, 0.25, -2.0, 0.5, 3.0, 6.0, 0.75, -3.0, 9.0],
        {"tool": 6, "aim": [[0.5, 3.0]], "keys": [0, 1]},
    ),
    "Dict of numbers": (
        gs.Dict(arm=gs.Box(-1, 1, (2,)), leg=gs.Box(0, 4, (1, 1))),
        gs.Box(np.array([-1, -1, 0], np.float32), np.array([1, 1, 4], np.float32)),
        [0.5, -0.5, 3.0],
        {"arm": [0.5, -0.5], "leg": [[3.0]]},
    ),
}


class Told(gymnasium.Env):
    """Keeps the action that it was given."""

    observation_space = gs.Discrete(2)
    given = None

    def __init__(self, action_space):
        self.action_space = action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        assert self.action_space.contains(action), action
        Told.given = action
        return 1, 0.0, False, False, {}


def plain(value):
    """A member of a space as lists and numbers."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return np.asarray(value).tolist()


@pytest.mark.parametrize("name", SPACES)
def test_what_agents_act_in_and_what_is_given(name):
    space, flat, action, expected = SPACES[name]
    env = FlatActions(Told(space))
    assert env.action_space == flat
    env.reset(seed=0)
    env.step(np.array(action, dtype=flat.dtype))
    assert plain(Told.given) == expected
    env.action_space.seed(0)
    for _ in range(50):  # every member of it is one of the environment's own
        env.step(env.action_space.sample())


@pytest.mark.parametrize("name", SPACES)
def test_rows_hold_the_flat_ones(name):
    space, flat, action, expected = SPACES[name]
    env = GymnasiumEnv(register(Told), 2, kwargs={"action_space": space}, action="clip")
    assert env.single_action_space == flat
    env.reset(0)
    row = env.step(torch.tensor([action, action]))
    assert row["prev_action"].tolist() == [action, action] and plain(Told.given) == expected
    other = GymnasiumEnv(register(Told), 2, kwargs={"action_space": space}, action="clip")
    assert torch.equal(other.load_state_dict(env.state_dict())["prev_action"], row["prev_action"])


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (gs.Tuple(()), "An action space must have a part to act in"),
        (gs.Box(0, 255, (64, 64), np.uint8), "must have at most 100,000 values in all"),
        (gs.Box(-np.inf, np.inf, (1,), np.int64), "must have at most 100,000 values in all"),
        (gs.Tuple((gs.Discrete(2), gs.Text(3))), r"but part 1 of it is Text.*wrap the environment"),
    ],
)
def test_what_no_agent_can(space, said):
    with pytest.raises(ValueError, match=said):
        FlatActions(Told(space))
