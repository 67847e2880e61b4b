"""Forms of stored states: what fits them, and how what does not is named."""

import math

import pytest
import torch

from engram.common.state_form import (
    Anything,
    AtLeast,
    Kind,
    ListOf,
    MapOf,
    Maybe,
    Numbers,
    OrNull,
    Real,
    StateError,
    Whole,
    check_like,
)

FORM = {
    "weight": torch.zeros(2, 3),
    "moments": Maybe(Numbers((2, None), torch.float32, low=0)),
    "steps": Whole(),
    "best": OrNull(Real()),
    "solved": Kind(bool),
    "seconds": [Real(low=0), Real(low=0)],
    "losses": MapOf(ListOf(Kind(float))),
    "name": "recall",
    "own": Anything(),
}
STATE = {
    "weight": torch.ones(2, 3),
    "steps": 3,
    "best": None,
    "solved": False,
    "seconds": [0.0, 1],
    "losses": {"a": [], "b": [1.0, math.inf]},
    "name": "recall",
    "own": {"x": [3]},
}


def test_what_fits():
    check_like(FORM, STATE)
    check_like(FORM, STATE | {"moments": torch.ones(2, 7), "best": -3.5})
    check_like(AtLeast({"steps": Whole()}), STATE)
    check_like({}, {})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("weight", torch.ones(2, 2), r"run/weight: expected float32 \[2, 3\], got float32 \[2, 2\]"),
        ("weight", torch.ones(2, 3).double(), r"expected float32 \[2, 3\], got float64 \[2, 3\]"),
        ("weight", [[1.0]], r"expected float32 \[2, 3\], got a list of 1"),
        ("weight", torch.full((2, 3), math.nan), "expected finite numbers, got some that are not"),
        ("moments", -torch.ones(2, 1), "run/moments: expected numbers of at least 0, got -1"),
        ("moments", torch.ones(3, 1), r"expected float32 \[2, any\], got float32 \[3, 1\]"),
        ("moments", None, r"expected float32 \[2, any\], got None"),
        ("steps", -1, "run/steps: expected a whole number from 0 to 9223372036854775807, got -1"),
        ("steps", 10**30, "expected a whole number from 0 to 9223372036854775807, got 1000"),
        ("steps", True, "got True"),
        ("steps", 1.0, "got 1.0"),
        ("best", math.nan, "run/best: expected a finite number, got nan"),
        ("best", math.inf, "got inf"),
        ("best", 10**400, "expected a finite number, got 1000"),
        ("solved", 0, "run/solved: expected true or false, got 0"),
        ("seconds", [1.0], "run/seconds: expected 2 parts, got 1"),
        ("seconds", [1.0, -1.0], "run/seconds/1: expected a finite number of at least 0, got -1.0"),
        ("seconds", {"0": 1}, "expected a list, got a mapping"),
        ("losses", {"a": [1]}, "run/losses/a/0: expected float, got 1"),
        ("losses", [], "run/losses: expected a mapping, got a list of 0"),
        ("name", "other", "run/name: expected 'recall', got 'other'"),
        ("more", 3, "run/more: not expected, got 3"),
    ],
)
def test_what_does_not_fit_is_named(key, value, message):
    with pytest.raises(StateError, match=message):
        check_like(FORM, STATE | {key: value}, "run")


def test_what_is_missing_is_named():
    state = {key: value for key, value in STATE.items() if key != "steps"}
    with pytest.raises(StateError, match=r"^steps: expected, but missing"):
        check_like(FORM, state)
    with pytest.raises(StateError, match="the whole: expected a mapping, got None"):
        check_like(FORM, None)
