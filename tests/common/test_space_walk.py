"""The one walk over spaces: its order, its names, and what it makes of leaves."""

import gymnasium.spaces as gs
import numpy as np
import pytest
import torch

from engram.common.spaces import as_sample, fold, leaves, options_of, place, row_dtype, unsupported, walk

NESTED = gs.Dict(
    [
        ("z", gs.Discrete(3)),
        ("a", gs.Tuple([gs.Box(0, 1, (2,)), gs.Dict(b=gs.Text(4)), gs.Tuple([])])),
    ]
)


def test_parts_come_in_the_order_of_the_space():
    places = [place(path) for path, _ in walk(NESTED)]
    assert places == ["obs", "z", "a", "a.0", "a.1", "a.1.b", "a.2"]
    found = {place(path): type(space) for path, space in leaves(NESTED)}
    assert list(found.items()) == [("z", gs.Discrete), ("a.0", gs.Box), ("a.1.b", gs.Text)]
    assert list(leaves(gs.Discrete(2))) == [((), gs.Discrete(2))]


def test_samples_are_put_together_as_they_were():
    sample = NESTED.sample()

    def part(path, leaf):
        value = sample
        for key in path:
            value = value[int(key) if isinstance(value, tuple) else key]
        return value

    again = fold(NESTED, part, as_sample)
    assert NESTED.contains(again) and list(again) == ["z", "a"]
    assert again["z"] is sample["z"] and again["a"][1]["b"] is sample["a"][1]["b"]
    np.testing.assert_array_equal(again["a"][0], sample["a"][0])


@pytest.mark.parametrize(
    ("space", "options", "dtype"),
    [
        (gs.Discrete(5, start=-2), (5,), torch.int64),
        (gs.MultiDiscrete([[3, 4], [5, 6]]), (3, 4, 5, 6), torch.int64),
        (gs.MultiBinary(3), None, torch.float32),
        (gs.Box(0, 255, (4, 4), np.uint8), None, torch.uint8),
        (gs.Box(0, 255, (4,), np.uint8), None, torch.float32),
        (gs.Box(0, 1, (4, 4), np.float64), None, torch.float32),
    ],
)
def test_what_a_row_makes_of_a_leaf(space, options, dtype):
    assert options_of(space) == options and row_dtype(space) is dtype


def test_other_kinds_are_one_sentence():
    text = str(unsupported("Text under a.b", "leave it out, or "))
    assert text.startswith("An observation space must be Box, Discrete,") and text.count(":") == 1
    assert "but it is Text under a.b: leave it out, or wrap the environment" in text
