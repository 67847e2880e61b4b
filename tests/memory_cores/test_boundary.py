"""What a core refuses at its boundary: every leaf of every core's carry, damaged in each way, and rows and flags."""

import pickle
import re

import pytest
import torch
from core_cases import (
    BATCH,
    INPUT_SIZE,
    LENGTH,
    MEMORY,
    NAMES,
    flags,
    leaves,
    make,
    random_carry,
    random_rows,
)
from tensordict import TensorDict

from engram.memory_cores import LSTM

OTHER_DTYPES = {
    torch.float32: (torch.float64, torch.float16, torch.bfloat16, torch.int64),
    torch.complex64: (torch.complex128, torch.float32),
    torch.int64: (torch.int32, torch.float32),
    torch.bool: (torch.uint8, torch.float32),
}


def damaged_leaves(leaf):
    """A leaf of [BATCH, …] in every form it must not have, with what the message says of it."""
    for dtype in OTHER_DTYPES[leaf.dtype]:
        yield torch.zeros_like(leaf, dtype=dtype), rf"must be {leaf.dtype} .* got {dtype}"
    shape = [*leaf.shape[1:]]
    wrong = [[*shape, 1], [*shape, 2]]
    for axis, size in enumerate(shape):
        wrong += [[*shape[:axis], other, *shape[axis + 1 :]] for other in {0, 1, size - 1, size + 1} - {size}]
    if shape:
        wrong.append(shape[1:])
    for other in wrong:
        expected, got = (re.escape(str([BATCH, *sizes])) for sizes in (shape, other))
        text = rf"must be {leaf.dtype} of shape {expected} .* of shape {got}"
        yield leaf.new_zeros(BATCH, *other), text
    yield leaf.to("meta"), r"must be .* on cpu, got .* on meta"
    yield TensorDict({"inside": leaf}, batch_size=[BATCH]), r"must be .* got TensorDict"


def calls(core, x, carry, is_first):
    """Everything that takes a carry, and nothing run twice."""
    yield lambda: core(x, carry, is_first)
    yield lambda: core.step(x[:, 0], carry, is_first[:, 0])


def assert_refused(core, carry, match, x=None, is_first=None):
    x = random_rows(torch.float32) if x is None else x
    for call in calls(core, x, carry, flags("none") if is_first is None else is_first):
        with pytest.raises(ValueError, match=match):
            call()


@pytest.mark.parametrize("name", MEMORY)
def test_every_leaf_of_the_carry_is_checked(name):
    core = make(name, torch.float32)
    carry = random_carry(core)
    assert leaves(carry)
    for key, leaf in leaves(carry).items():
        path = key if isinstance(key, tuple) else (key,)
        where = rf"carry\[{', '.join(map(repr, path))}\] of {type(core).__name__} "
        for wrong, text in damaged_leaves(leaf):
            damaged = carry.clone(recurse=False)
            damaged[key] = wrong
            assert_refused(core, damaged, where + text)
        missing = carry.clone(recurse=False)
        del missing[key]
        assert_refused(core, missing, r"must have the keys")
        renamed = carry.clone(recurse=False)
        renamed.rename_key_(key, (*path[:-1], "other"))
        assert_refused(core, renamed, r"must have the keys .* got .*'other'")
        if len(path) > 1:
            flat = carry.clone(recurse=False)
            flat[path[:-1]] = leaf
            assert_refused(core, flat, "must be a TensorDict with the keys .* got Tensor")
    for call in calls(core, random_rows(torch.float32), carry, flags("none")):
        call()


@pytest.mark.parametrize("name", NAMES)
def test_carries_of_other_cores_sizes_and_kinds_are_refused(name):
    core = make(name, torch.float32)
    for other in {name, NAMES[NAMES.index(name) - 1], "gru"}:
        wrong = make(
            other, torch.float32, hidden_size=12, state_size=12, memory_size=2, window=3, num_heads=1
        )
        if name != other or name in MEMORY:  # the others' carries have no size
            assert_refused(core, wrong.initial_carry(BATCH), "^carry")
    carry = core.initial_carry(BATCH)
    assert_refused(
        core, carry.clone().set("other", torch.zeros(BATCH)), r"must have the keys .* got .*'other'"
    )
    assert_refused(core, core.initial_carry(BATCH + 1), r"carry must have batch size \[3\] like x, got \[4\]")
    assert_refused(core, core.initial_carry(1), r"carry must have batch size \[3\] like x, got \[1\]")
    for wrong in (None, torch.zeros(BATCH, 8), (torch.zeros(BATCH, 8),), dict(carry)):
        assert_refused(core, wrong, rf"carry must be a TensorDict .* got {type(wrong).__name__}")


def test_rows_and_flags_are_checked():
    core = make("gru", torch.float32)
    x, carry, is_first = random_rows(torch.float32), core.initial_carry(BATCH), flags("none")
    for dtype in (torch.float64, torch.float16, torch.int64, torch.complex64):
        assert_refused(core, carry, rf"x must be torch.float32 .* got {dtype}", x=x.to(dtype))
    assert_refused(core, carry, r"x must be .* on cpu, got .* on meta", x=x.to("meta"))
    assert_refused(core, carry, "x must be a torch.Tensor, got ndarray", x=x.numpy())
    for dtype in (torch.float32, torch.int64, torch.uint8):
        assert_refused(
            core, carry, rf"is_first must be bool .* got {dtype}", x=x, is_first=is_first.to(dtype)
        )
    assert_refused(
        core, carry, r"is_first must be .* on cpu, got .* on meta", x=x, is_first=is_first.to("meta")
    )
    assert_refused(core, carry, "is_first must be a torch.Tensor, got ndarray", is_first=is_first.numpy())
    assert_refused(core, carry, r"is_first must be bool of shape", is_first=is_first.unsqueeze(-1))
    assert_refused(core, carry, r"without empty dimensions, got \[0", x=x[:0], is_first=is_first[:0])


@pytest.mark.parametrize("name", NAMES)
def test_the_check_follows_the_parameters(name):
    """A core converted or copied after its first call takes the carry it then makes, and no other."""
    core = make(name, torch.float32)
    before = random_carry(core)
    copied = pickle.loads(pickle.dumps(core))
    core.double()
    x, is_first = random_rows(), flags("none")
    core(x, core.initial_carry(BATCH), is_first)
    if name in MEMORY:
        assert_refused(core, before, r"must be torch.(float64|complex128)", x=x)
    copied(x.float(), before, is_first)
    with torch.autocast("cpu", torch.bfloat16):
        copied.step(x[:, 0].bfloat16(), before, is_first[:, 0])


def test_a_wider_carry_cannot_read_beyond_the_weights():
    """The fused loop takes any width at its word, so a carry of 64 once read 56 numbers beyond each row of 8."""
    core = LSTM(INPUT_SIZE, hidden_size=8)
    wide = LSTM(INPUT_SIZE, hidden_size=64).initial_carry(BATCH)
    with pytest.raises(
        ValueError, match=r"carry\['hidden'\] of LSTM must be .* \[3, 8\] .* of shape \[3, 64\]"
    ):
        core(torch.zeros(BATCH, LENGTH, INPUT_SIZE), wide, flags("none"))
