"""Edited spaces.json: refused in one sentence that names the file, or spaces that there can be."""

import copy
import json
import random

import pytest
from gymnasium import spaces
from state_edits import WORDS, leaves, value_at

from engram.agents.stored.spaces import read_spaces
from engram.common.state_form import StateError
from engram.run_files.space_json import space_from_json, space_to_json

OBSERVATION = spaces.Dict(
    picture=spaces.Box(0, 255, (3, 4, 4), "uint8"),
    place=spaces.Box(-1.5, float("inf"), (2,)),
    parts=spaces.Tuple([spaces.Discrete(3, start=1), spaces.MultiDiscrete([2, 3], start=[0, 1])]),
    flags=spaces.MultiBinary((2, 2)),
    text=spaces.Text(4),
)
STORED = {
    "format": 2,
    "observation_space": space_to_json(OBSERVATION),
    "action_space": space_to_json(spaces.Discrete(4)),
    "box_action": "auto",
}


def test_every_edit_is_refused_by_name_or_a_space(tmp_path):
    generator = random.Random(3)
    places = list(leaves(STORED))
    refused = 0
    for _ in range(400):
        edited = copy.deepcopy(STORED)
        path = generator.choice(places)
        node = value_at(edited, path[:-1])
        if generator.random() < 0.15:
            del node[path[-1]]
        else:
            node[path[-1]] = generator.choice((*WORDS, "Box", "float16", "inf", ["1"], [[1, 2], [3]], 2**40))
        (tmp_path / "spaces.json").write_text(json.dumps(edited))
        try:
            for space in read_spaces(tmp_path):
                assert repr(space)
        except ValueError as error:
            assert str(tmp_path) in str(error) and "\n" not in str(error), (path, error)
            refused += 1
        except Exception as error:
            raise AssertionError(f"{path}: {node} came to {error!r}") from error
    assert refused > 200


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"kind": "Discrete", "n": 0, "start": 0}, "space/n: expected a whole number from 1"),
        ({"kind": "Discrete", "n": 3, "start": 0, "dtype": "float32"}, "holds no whole numbers"),
        ({"kind": "Discrete", "n": 300, "start": 0, "dtype": "int8"}, "do not fit into int8"),
        ({"kind": "Discrete", "n": 3}, "space/start: expected, but missing"),
        ({"kind": "Discrete", "n": 3, "start": 0, "more": 1}, "space/more: not expected, got 1"),
        ({"kind": "MultiDiscrete", "nvec": [2.5], "start": [0]}, "whole numbers alone"),
        ({"kind": "MultiDiscrete", "nvec": [2, 3], "start": [0]}, "should have the same shape"),
        (
            {"kind": "MultiDiscrete", "nvec": [[2], [3, 4]], "start": [0]},
            "expected a MultiDiscrete that there can be",
        ),
        ({"kind": "MultiBinary", "n": 10**12}, "too large"),
        ({"kind": "MultiBinary", "n": [2, -1]}, "n/1: expected a whole number from 1"),
        (
            {"kind": "Box", "shape": [10**6, 10**6], "dtype": "uint8", "low": "0", "high": "9"},
            "1000000000000 numbers",
        ),
        (
            {"kind": "Box", "shape": [2], "dtype": "uint8", "low": "0", "high": "256"},
            "expected a Box that there can",
        ),
        (
            {"kind": "Box", "shape": [2], "dtype": "uint8", "low": ["0"], "high": "9"},
            "expected a Box that there can",
        ),
        ({"kind": "Box", "shape": [2], "dtype": "object", "low": "0", "high": "9"}, "2 numbers of object"),
        (
            {"kind": "Box", "shape": [2], "dtype": "float32", "low": "nan", "high": "9"},
            "a bound that is no number",
        ),
        (
            {"kind": "Box", "shape": [2], "dtype": "float32", "low": "3", "high": "2"},
            "expected a Box that there can",
        ),
        ({"kind": "Box", "shape": [2], "dtype": "bool", "low": "no", "high": "True"}, "a bound 'no'"),
        ({"kind": "Dict", "parts": [["a", {"kind": "?"}]]}, "space/a/kind: expected one of Discrete"),
        ({"kind": "Dict", "parts": [["a", {"kind": "Unread", "name": "x"}]] * 2}, "expected every key once"),
        ({"kind": "Tuple", "parts": 3}, "space/parts: expected a list, got 3"),
        ({"kind": []}, "space/kind: expected a text"),
        (3, "space: expected a mapping, got 3"),
    ],
)
def test_the_place_is_named(description, message):
    with pytest.raises(StateError, match=message):
        space_from_json(description)


def test_spaces_in_spaces_have_an_end(tmp_path):
    description = {"kind": "Discrete", "n": 2, "start": 0}
    for _ in range(60):
        description = {"kind": "Tuple", "parts": [description]}
    with pytest.raises(StateError, match="expected at most 50 parts in parts"):
        space_from_json(description)
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    (tmp_path / "spaces.json").write_text(deep)
    with pytest.raises(ValueError, match=r"describes two spaces, but .*spaces\.json does not"):
        read_spaces(tmp_path)
