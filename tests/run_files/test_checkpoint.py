"""Checkpoints: what goes in comes out, and damage is found by name."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save
from tensordict import TensorDict

from engram.run_files.checkpoint import (
    DamagedCheckpointError,
    _checksum,
    load_checkpoint,
    load_latest,
    previous_path,
    read_values,
    save_checkpoint,
)
from engram.run_files.checkpoint_header import signed


def make_state(number=1.0):
    return {
        "agent": {"network": {"core.weight": torch.full((2, 3), number)}, "num_updates": 4},
        "carry": TensorDict({"state": torch.complex(torch.ones(2, 2), torch.zeros(2, 2))}, [2]),
        "flags": torch.tensor([True, False]),
        "empty": {},
        "none": None,
        "scalar": torch.tensor(3, dtype=torch.int64),
        "nothing": torch.zeros(0, 4),
    }


def test_round_trip(tmp_path):
    path = tmp_path / "latest.safetensors"
    save_checkpoint(path, make_state())
    state = load_checkpoint(path)
    assert state["agent"]["num_updates"] == 4 and state["none"] is None and state["empty"] == {}
    for got, expected in (
        (state["agent"]["network"]["core.weight"], torch.ones(2, 3)),
        (state["carry"]["state"], torch.ones(2, 2, dtype=torch.complex64)),
        (state["flags"], torch.tensor([True, False])),
        (state["scalar"], torch.tensor(3)),
        (state["nothing"], torch.zeros(0, 4)),
    ):
        assert got.dtype == expected.dtype and torch.equal(got, expected)
    assert [p.name for p in tmp_path.iterdir()] == ["latest.safetensors"]


def test_tensors_that_share_memory(tmp_path):
    base = torch.arange(6.0)
    save_checkpoint(
        tmp_path / "a.safetensors", {"whole": base, "part": base[1:3], "column": base.view(2, 3)[:, 1]}
    )
    state = load_checkpoint(tmp_path / "a.safetensors")
    assert state["part"].tolist() == [1, 2] and state["column"].tolist() == [1, 4]


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(10)[::10],  # what an index of one environment leaves: shape [1], stride 10
        torch.arange(6).view(2, 3).t()[:1],
        torch.arange(6.0).view(3, 2)[:, ::2][1:2],
        torch.ones(1, dtype=torch.bool).expand(3),
        torch.tensor([1 + 2j, 3 - 4j]).conj(),
        torch.tensor([[1.5]], dtype=torch.bfloat16).as_strided((1, 1), (7, 5)),
    ],
    ids=["index", "transposed", "sliced", "expanded", "conjugate", "stray strides"],
)
def test_saving_does_not_depend_on_strides(tmp_path, tensor):
    expected = tensor.tolist()
    save_checkpoint(tmp_path / "a.safetensors", {"tensor": tensor})
    loaded = load_checkpoint(tmp_path / "a.safetensors")["tensor"]
    assert loaded.tolist() == expected and loaded.dtype == tensor.dtype and loaded.shape == tensor.shape


def test_keys_may_hold_anything(tmp_path):
    keys = ["a/b", "a", "/", "%2F", "%", "", "a.b", "a b", "ü"]
    state = {key: {"x/y": torch.tensor(index), "n/m": index} for index, key in enumerate(keys)}
    save_checkpoint(tmp_path / "a.safetensors", state)
    loaded = load_checkpoint(tmp_path / "a.safetensors")
    assert list(loaded) == keys
    assert [(node["x/y"].item(), node["n/m"]) for node in loaded.values()] == [(n, n) for n in range(9)]


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_damage_is_refused_by_name_and_the_previous_one_used(tmp_path, damage):
    path = tmp_path / "latest.safetensors"
    save_checkpoint(path, make_state(1.0), keep_previous=True)
    save_checkpoint(path, make_state(2.0), keep_previous=True)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-5] ^= 0x10
    path.write_bytes({"truncate": content[:-20], "flip": content, "empty": b""}[damage])
    with pytest.raises(DamagedCheckpointError, match=r"latest\.safetensors is damaged"):
        load_checkpoint(path)
    with pytest.warns(UserWarning, match="previous one is used"):
        state = load_latest(path)
    assert state["agent"]["network"]["core.weight"][0, 0] == 1.0
    previous_path(path).write_bytes(b"x")
    with pytest.raises(DamagedCheckpointError, match=r"latest\.safetensors.*previous\.safetensors"):
        load_latest(path)


def test_a_damaged_checkpoint_never_replaces_the_good_one(tmp_path):
    path = tmp_path / "latest.safetensors"
    save_checkpoint(path, make_state(1.0), keep_previous=True)
    save_checkpoint(path, make_state(2.0), keep_previous=True)
    path.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="previous one is used"):
        load_latest(path, set_aside=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "latest.damaged.safetensors",
        "latest.previous.safetensors",
    ]
    save_checkpoint(path, make_state(3.0), keep_previous=True)
    path.unlink()  # as if the next save had been cut off between its two renames
    with pytest.warns(UserWarning, match="is missing. The previous one is used"):
        assert load_latest(path)["agent"]["network"]["core.weight"][0, 0] == 1.0


def test_missing_checkpoint_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="nor the one before it exists"):
        load_latest(tmp_path / "latest.safetensors")


def test_a_crash_between_the_renames_leaves_the_previous_one(tmp_path):
    path = tmp_path / "latest.safetensors"
    save_checkpoint(path, make_state())
    path.replace(previous_path(path))
    with pytest.warns(UserWarning, match="is missing. The previous one is used"):
        assert load_latest(path)["agent"]["num_updates"] == 4


def write_header(path, tensors=None, **header):
    """A checkpoint file with such a header, and the checksum that it must have."""
    header = {"values": "{}", "format": "1", "version": "0"} | header
    header = {key: value for key, value in header.items() if value is not None}
    tensors = tensors or {}
    checksum = _checksum(tensors, signed(header))
    path.write_bytes(save(tensors, metadata={**header, "checksum": checksum}))
    return path


@pytest.mark.parametrize("read", [load_checkpoint, read_values])
@pytest.mark.parametrize(
    "header",
    [
        {"values": "[1]"},
        {"values": "3"},
        {"values": "{"},
        {"values": '{"a": 1, "a": 2}'},
        {"values": "[" * 100_000 + "]" * 100_000},
        {"values": '{"a": ' + "9" * 5000 + "}"},
        {"values": None},
        {"format": "0"},
        {"format": "one"},
        {"format": "-1"},
    ],
)
def test_a_header_that_is_none_is_damage_with_the_files_name(tmp_path, read, header):
    path = write_header(tmp_path / "a.safetensors", **header)
    with pytest.raises(DamagedCheckpointError, match=r"The checkpoint .*a\.safetensors is damaged: "):
        read(path)


@pytest.mark.parametrize(
    ("tensors", "values"),
    [
        ({"a": torch.ones(1)}, '{"a": 1}'),  # a tensor where a value stands
        ({"a/b": torch.ones(1)}, '{"a": 1}'),
        ({"a/b": torch.ones(1)}, '{"a": [1]}'),
        ({"a": torch.ones(1), "a/b": torch.ones(1)}, "{}"),
        ({"a": torch.ones(1), "%61": torch.ones(1), "a/b/c": torch.ones(1)}, "{}"),
        ({"a": torch.ones(1)}, '{"a": {}}'),
        ({"a%2Fb": torch.ones(1)}, '{"a/b": null}'),
    ],
)
def test_names_that_contradict_each_other_are_damage(tmp_path, tensors, values):
    path = write_header(tmp_path / "a.safetensors", tensors, values=values)
    with pytest.raises(
        DamagedCheckpointError, match=r"a\.safetensors is damaged: .* (is there twice|lies in what)"
    ):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0, 2**63]},
        {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1] * 70, "data_offsets": [0, 4]},
        {"dtype": "F8_E8M0", "shape": [4], "data_offsets": [0, 4]},
        3,
    ],
)
def test_tensors_that_cannot_be_are_damage(tmp_path, entry):
    text = json.dumps({"__metadata__": {"values": "{}"}, "a": entry}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    with pytest.raises(DamagedCheckpointError, match=r"a\.safetensors is damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize("read", [load_checkpoint, read_values, load_latest])
def test_a_later_format_names_the_version_that_wrote_it(tmp_path, read):
    """And the one before it is not taken instead: that would silently go back in time."""
    path = tmp_path / "latest.safetensors"
    save_checkpoint(path, make_state(1.0), keep_previous=True)
    save_checkpoint(path, make_state(2.0), keep_previous=True)
    write_header(path, format="2", version="9.1")
    with pytest.raises(
        ValueError, match=r"at most format 1 here, but .*latest\.safetensors has 2, which engram-rl 9\.1"
    ):
        read(path)


def test_a_checkpoint_of_before_is_read(tmp_path):
    """Without a number and a version: its checksum is of values and tensors alone."""
    tensors = {"agent/weight": torch.arange(3.0)}
    text = json.dumps({"progress": {"solved": False}})
    path = tmp_path / "old.safetensors"
    path.write_bytes(save(tensors, metadata={"values": text, "checksum": _checksum(tensors, text)}))
    state = load_checkpoint(path)
    assert state["agent"]["weight"].tolist() == [0, 1, 2] and state["progress"] == {"solved": False}


@pytest.mark.parametrize("key", ["format", "version", "values"])
def test_the_checksum_is_of_the_header_too(tmp_path, key):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, make_state())
    with safe_open(path, "pt") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    if key == "values":
        header[key] = header[key].replace("4", "5")
    else:
        del header[key]
    path.write_bytes(save(tensors, metadata=header))
    with pytest.raises(DamagedCheckpointError, match="its checksum does not fit"):
        load_checkpoint(path)
