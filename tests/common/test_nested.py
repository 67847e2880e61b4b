"""Nested mappings by one name for each value."""

import torch
from tensordict import TensorDict

from engram.common.nested import dotted, merged


def test_values_stand_by_their_joined_keys():
    node = {"a": {"b": {"c": 1}, "d": [2]}, "e": {}, 3: None}
    assert dotted(node) == {"a.b.c": 1, "a.d": [2], "e": {}, "3": None}
    assert list(dotted(node, "x.", "/")) == ["x.a/b/c", "x.a/d", "x.e", "x.3"]
    assert dotted({}) == {}


def test_tensordicts_are_mappings_too():
    rows = TensorDict({"obs": {"left": torch.zeros(2), "empty": {}}, "reward": torch.ones(2)}, [2])
    found = dotted({"rows": rows}, separator="/")
    assert list(found) == ["rows/obs/left", "rows/obs/empty", "rows/reward"]
    assert torch.equal(found["rows/reward"], torch.ones(2))


def test_one_mapping_over_another():
    node = {"a": {"b": 1, "c": 2}, "d": 3, "e": {"f": 4}}
    assert merged(node, {"a": {"b": 5, "g": 6}, "d": {"h": 7}, "e": 8}) == {
        "a": {"b": 5, "c": 2, "g": 6},
        "d": {"h": 7},
        "e": 8,
    }
    assert node == {"a": {"b": 1, "c": 2}, "d": 3, "e": {"f": 4}} and merged({}, {}) == {}
