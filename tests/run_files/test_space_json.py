"""Every space equals itself after it was written and read: order, dtypes, bounds and starts."""

import json
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
import torch
from gymnasium import spaces
from tensordict import TensorDict

from engram import agents
from engram.agents.stored.loading import restore_agent
from engram.agents.stored.spaces import read_spaces, spaces_text
from engram.memory_cores import GRU
from engram.run_files.space_json import space_from_json, space_to_json

INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
FLOATS = (np.float16, np.float32, np.float64)


def again(space):
    return space_from_json(json.loads(json.dumps(space_to_json(space))))


def assert_same(got, expected):
    """More than Gymnasium's equality, which takes near bounds for equal and no order into account."""
    assert got == expected and type(got) is type(expected)
    if isinstance(expected, spaces.Dict):
        assert list(got.spaces) == list(expected.spaces)
        for key in expected.spaces:
            assert_same(got[key], expected[key])
    elif isinstance(expected, spaces.Tuple):
        for parts in zip(got.spaces, expected.spaces, strict=True):
            assert_same(*parts)
    elif isinstance(expected, spaces.Box):
        for name in ("low", "high", "bounded_below", "bounded_above"):
            np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), strict=True)
    elif isinstance(expected, spaces.MultiDiscrete):
        np.testing.assert_array_equal(got.nvec, expected.nvec, strict=True)
        np.testing.assert_array_equal(got.start, expected.start, strict=True)
    else:
        assert (got.shape, got.dtype) == (expected.shape, expected.dtype)


def random_box(rng):
    shape = tuple(np.int64(n) for n in rng.integers(1, 4, rng.integers(0, 4)))
    if rng.random() < 0.3:
        dtype = rng.choice(FLOATS)
        low, high = (rng.normal(size=shape).astype(dtype) for _ in range(2))
        low, high = np.minimum(low, high), np.maximum(low, high)
        low, high = (
            np.where(rng.random(shape) < 0.3, -np.inf, low),
            np.where(rng.random() < 0.3, np.inf, high),
        )
        return spaces.Box(low.astype(dtype), high.astype(dtype), shape, dtype)
    if rng.random() < 0.1:
        return spaces.Box(0, 1, shape, np.bool_)
    dtype = rng.choice(INTEGERS)
    limits = np.iinfo(dtype)
    ends = np.sort(rng.integers(limits.min, limits.max, (2, *shape), dtype, endpoint=True), axis=0)
    return spaces.Box(ends[0], ends[1], shape, dtype)


def random_space(rng, depth=0):
    kind = rng.integers(7 if depth < 3 else 4)
    if kind == 0:
        dtype = rng.choice(INTEGERS)
        return spaces.Discrete(int(rng.integers(1, 9)), start=int(rng.integers(0, 9)), dtype=dtype)
    if kind == 1:
        dtype = rng.choice(INTEGERS)
        shape = tuple(rng.integers(1, 4, rng.integers(1, 3)))
        nvec, start = rng.integers(1, 9, shape).astype(dtype), rng.integers(0, 9, shape).astype(dtype)
        return spaces.MultiDiscrete(nvec, dtype=dtype, start=start)
    if kind == 2:
        return spaces.MultiBinary(
            [int(rng.integers(1, 5)), 2] if rng.random() < 0.5 else int(rng.integers(1, 5))
        )
    if kind == 3:
        return random_box(rng)
    parts = [random_space(rng, depth + 1) for _ in range(rng.integers(1, 4))]
    if kind == 4:
        return spaces.Tuple(parts)
    names = rng.permutation(["z", "a", "m", "key with words", "/", "ä"])
    pairs = [(str(name), part) for name, part in zip(names, parts, strict=False)]
    return spaces.Dict(pairs if kind == 5 else OrderedDict(pairs))


def test_random_nested_spaces_survive():
    rng = np.random.default_rng(0)
    for _ in range(300):
        space = random_space(rng)
        assert_same(again(space), space)


MIXED_BOUNDS = np.array([[-np.inf, -1.0], [0.1, -3.0]], np.float32)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Dict(target=spaces.Discrete(2), noise=spaces.Discrete(2)),
        spaces.Dict([("b", spaces.Discrete(2)), ("a", spaces.Dict(z=spaces.Discrete(2), a=spaces.Discrete(2)))]),
        spaces.Dict({"b": spaces.Discrete(2), "a": spaces.Discrete(3)}),
        spaces.Discrete(4, start=-3, dtype=np.int32),
        spaces.MultiDiscrete([2, 3], dtype=np.int32),
        spaces.MultiDiscrete(np.array([[2, 3], [4, 5]]), start=np.array([[-1, 0], [7, 1]])),
        spaces.MultiBinary([3]),
        spaces.Box(0, 1, (3,), np.bool_),
        spaces.Box(np.array([-(2**63), 2**62 + 1]), np.array([2**63 - 1, 2**62 + 3]), dtype=np.int64),
        spaces.Box(-np.inf, np.inf, (2,), np.int32),
        spaces.Box(MIXED_BOUNDS, MIXED_BOUNDS + 1, dtype=np.float32),
        spaces.Box(0, 0.1, (), np.float64),
        spaces.Box(0, 255, (3, 4), np.uint8),
    ],
    ids=repr,
)  # fmt: skip
def test_spaces_survive(space):
    assert_same(again(space), space)


def test_the_numbers_are_those_that_were_written():
    """Literally: bounds that no float holds, and dtypes."""
    box = again(spaces.Box(np.array([2**62 + 1]), np.array([2**63 - 1]), dtype=np.int64))
    assert (box.low.tolist(), box.high.tolist()) == ([4611686018427387905], [9223372036854775807])
    assert again(spaces.Discrete(2, dtype=np.int32)).dtype == np.int32
    assert list(again(spaces.Dict(target=spaces.Discrete(2), noise=spaces.Discrete(2)))) == [
        "target",
        "noise",
    ]


def test_a_space_that_is_left_out_keeps_its_name_alone():
    space = spaces.Dict(mission=spaces.Text(9), view=spaces.Discrete(2))
    got = again(space)
    assert got == space and list(got) == ["mission", "view"]
    assert again(got) == space
    assert got != spaces.Dict(mission=spaces.Graph(spaces.Discrete(2), None), view=spaces.Discrete(2))


SPACE = spaces.Dict(target=spaces.Discrete(2), noise=spaces.Discrete(2))


def make_agent(space, seed=0):
    return agents.PPO(space, spaces.Discrete(2), partial(GRU, hidden_size=4), seed=seed)


def test_a_stored_agent_reads_what_it_was_trained_on(tmp_path):
    """Keyword arguments are not in the order of the alphabet; sorted, target and noise would change places."""
    trained = make_agent(SPACE)
    (tmp_path / "spaces.json").write_text(spaces_text(trained))
    observation_space, action_space = read_spaces(tmp_path)
    assert action_space == spaces.Discrete(2)
    loaded = make_agent(observation_space, seed=1)
    restore_agent(loaded, {"agent": trained.state_dict()}, tmp_path)
    carry = trained.initial_carry(1)
    obs = {"target": torch.tensor([1]), "noise": torch.tensor([0])}
    flags = {"reward": torch.zeros(1), "prev_action": torch.zeros(1).long(), "is_first": torch.tensor([True])}
    row = TensorDict({"obs": obs, **flags}, batch_size=[1])
    _, _, expected = trained.act(row, carry)
    _, _, got = loaded.act(row, carry)
    assert torch.equal(got["log_prob"], expected["log_prob"]) and torch.equal(got["value"], expected["value"])


OLD = {
    "observation_space": {
        "kind": "Dict",
        "parts": {
            "target": {"kind": "Discrete", "n": 2, "start": 0},
            "noise": {"kind": "MultiDiscrete", "nvec": [2, 3], "start": [0, 1]},
        },
    },
    "action_space": {"kind": "Box", "shape": [2], "dtype": "float32", "low": "-1.0", "high": ["1.0", "inf"]},
}


def test_a_file_of_the_first_format_is_read_in_the_order_of_training(tmp_path):
    (tmp_path / "spaces.json").write_text(json.dumps(OLD))
    observation_space, action_space = read_spaces(tmp_path)
    parts = {"target": spaces.Discrete(2), "noise": spaces.MultiDiscrete([2, 3], start=[0, 1])}
    assert_same(observation_space, spaces.Dict(list(parts.items())))
    assert_same(action_space, spaces.Box(-np.ones(2, np.float32), np.array([1, np.inf], np.float32)))


def test_a_file_of_a_later_format_names_its_version(tmp_path):
    (tmp_path / "spaces.json").write_text(json.dumps({**OLD, "format": 3}))
    (tmp_path / "versions.json").write_text(json.dumps({"engram-rl": "9.1", "git_commit": "abc"}))
    with pytest.raises(ValueError, match=r"has 3, which engram-rl 9\.1 \(commit abc\) wrote"):
        read_spaces(tmp_path)
