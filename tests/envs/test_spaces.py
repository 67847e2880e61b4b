"""Every supported space, through a real vector; one sentence for every other."""

import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
from contract import check_rows, play
from toy_envs import Echo, Sampler, register

from engram.common.random import hash_to_int
from engram.envs import GymnasiumEnv

SPACES = {
    "discrete": (gs.Discrete(5, start=-2), torch.int64),
    "multi_discrete": (gs.MultiDiscrete([3, 4], start=[1, -5]), torch.int64),
    "multi_discrete_grid": (gs.MultiDiscrete([[3, 4], [5, 6]]), torch.int64),
    "multi_binary": (gs.MultiBinary(3), torch.float32),
    "vector": (gs.Box(-1, 1, (3,), np.float64), torch.float32),
    "scalar": (gs.Box(-1, 1, (), np.float32), torch.float32),
    "integers": (gs.Box(-5, 5, (3,), np.int32), torch.float32),
    "bytes": (gs.Box(0, 255, (7,), np.uint8), torch.float32),
    "image": (gs.Box(0, 255, (4, 5, 3), np.uint8), torch.uint8),
}


def expected_value(space: gs.Space, sample) -> torch.Tensor:
    if isinstance(space, (gs.Discrete, gs.MultiDiscrete)):
        return torch.as_tensor(np.asarray(sample) - space.start)
    return torch.as_tensor(np.asarray(sample))


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_values_of_plain_spaces(name: str, vectorization: str) -> None:
    space, dtype = SPACES[name]
    env = GymnasiumEnv(register(Sampler), 2, kwargs={"space": space}, vectorization=vectorization)
    rows = [env.reset(3), *(env.step(torch.tensor([0, 1])) for _ in range(3))]
    env.close()
    for index in range(2):
        alone = Sampler(space)
        samples = [alone.reset(seed=hash_to_int(3, "episode", index, 0))[0]]
        samples += [alone.step(0)[0] for _ in range(3)]
        for row, sample in zip(rows, samples, strict=True):
            assert row["obs"].dtype == dtype
            assert torch.equal(row["obs"][index], expected_value(space, sample).to(dtype))


@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_nested_spaces(vectorization: str) -> None:
    space = gs.Dict(
        {
            "pair": gs.Tuple((gs.Discrete(3), gs.Tuple((SPACES["image"][0], gs.Discrete(2, start=4))))),
            "more": gs.Dict({"vector": gs.Box(-1, 1, (2,))}),
        }
    )
    env = GymnasiumEnv(register(Sampler), 2, kwargs={"space": space}, vectorization=vectorization)
    rows = play(env, 3, 12)
    env.close()
    alone = Sampler(space)
    samples = [alone.reset(seed=hash_to_int(3, "episode", 1, 0))[0], *(alone.step(0)[0] for _ in range(3))]
    for row, sample in zip(rows, samples, strict=False):
        obs = row["obs"][1]
        assert obs["pair", "0"] == int(sample["pair"][0])
        assert torch.equal(obs["pair", "1", "0"], torch.as_tensor(sample["pair"][1][0]))
        assert obs["pair", "1", "1"] == int(sample["pair"][1][1]) - 4
        assert torch.equal(obs["more", "vector"], torch.as_tensor(sample["more"]["vector"]))


def received(action_space: gs.Space, action: torch.Tensor, option: str = "clip") -> list:
    env = GymnasiumEnv(register(Echo), len(action), kwargs={"action_space": action_space}, action=option)
    env.reset(0)
    row = env.step(action)
    assert torch.equal(row["prev_action"], action)  # the policy's own sample, in its own units
    check_rows(env, [env.reset(0), row])
    return row["obs"].tolist()


def test_integer_actions_are_counted_from_the_start_of_the_space() -> None:
    assert received(gs.Discrete(3, start=5), torch.tensor([0, 2])) == [[5], [7]]
    space = gs.MultiDiscrete([2, 3], start=[-1, 10])
    assert received(space, torch.tensor([[0, 2], [1, 0]])) == [[-1, 12], [0, 10]]


def test_box_actions_are_clipped_or_rescaled() -> None:
    space = gs.Box(np.array([-1, 0], np.float32), np.array([1, 10], np.float32))
    action = torch.tensor([[-3.0, -3.0], [0.0, 0.0], [0.5, 0.5], [9.0, 20.0]])
    assert received(space, action) == [[-1, 0], [0, 0], [0.5, 0.5], [1, 10]]
    assert received(space, action, "rescale") == [[-1, 0], [0, 5], [0.5, 7.5], [1, 10]]
    assert received(gs.Box(0, 4, (1,), np.float64), torch.tensor([[0.5]]), "rescale") == [[3]]


def test_unsupported_spaces_are_refused_in_one_sentence() -> None:
    for space in (gs.Text(5), gs.Sequence(gs.Discrete(2)), gs.Tuple((gs.Text(5),))):
        for vectorization in ("sync", "async"):
            with pytest.raises(ValueError, match=r"An observation space must be Box.* wrap the environment"):
                GymnasiumEnv(register(Sampler), 2, kwargs={"space": space}, vectorization=vectorization)
    for space in (gs.Text(3), gs.Dict(a=gs.Sequence(gs.Discrete(2)))):
        with pytest.raises(ValueError, match=r"An action space must be Discrete.* wrap the environment"):
            GymnasiumEnv(register(Sampler), 2, kwargs={"space": gs.Discrete(2), "action_space": space})
    with pytest.raises(ValueError, match="keys of a Dict observation must be strings without dots"):
        GymnasiumEnv(register(Sampler), 2, kwargs={"space": gs.Dict({"a.b": gs.Discrete(2)})})


@pytest.mark.parametrize("vectorization", ["sync", "async"])
def test_parts_that_no_row_can_hold_are_left_out_of_it(vectorization: str) -> None:
    """Of a Dict or a Tuple; the agent says so, who can be told to leave them out."""
    parts = {"mission": gs.Text(5), "bag": gs.Sequence(gs.Discrete(2)), "view": gs.Discrete(3)}
    space = gs.Dict({**parts, "pair": gs.Tuple((gs.Text(3), gs.Discrete(2))), "words": gs.Dict(a=gs.Text(2))})
    env = GymnasiumEnv(register(Sampler), 2, kwargs={"space": space}, vectorization=vectorization)
    assert list(env.single_observation_space) == ["bag", "mission", "pair", "view", "words"]
    keys = set(env.reset(0)["obs"].keys(True, True))
    assert keys == set(env.step(torch.zeros(2, dtype=torch.int64))["obs"].keys(True, True))
    assert keys == {"view", ("pair", "1")}
    env.close()


def test_options_for_actions_are_checked() -> None:
    space = {"action_space": gs.Box(-np.inf, 1, (2,))}
    with pytest.raises(ValueError, match="action='rescale' needs finite bounds"):
        GymnasiumEnv(register(Echo), 2, kwargs=space, action="rescale")
    with pytest.raises(ValueError, match="must be one of auto, clip, rescale, but got 'squash'"):
        GymnasiumEnv(register(Echo), 2, kwargs=space, action="squash")
