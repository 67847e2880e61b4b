"""SplitMix64 gives its published outputs in integers and in tensors."""

import torch

from engram.common.splitmix64 import MASK, WEYL, mix_, mix_integer, shift_right, signed

# The first outputs of a generator seeded with 0.
PUBLISHED = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)


def test_published_outputs():
    states = [(count * WEYL) & MASK for count in (1, 2, 3)]
    assert tuple(map(mix_integer, states)) == PUBLISHED
    tensor = torch.tensor(list(map(signed, states)))
    assert [value & MASK for value in mix_(tensor).tolist()] == list(PUBLISHED)


def test_shifts_are_logical():
    values = [-1, -(2**63), 2**63 - 1, 0, 5]
    for shift in (1, 30, 63):
        expected = [(value & MASK) >> shift for value in values]
        assert shift_right(torch.tensor(values), shift).tolist() == expected
