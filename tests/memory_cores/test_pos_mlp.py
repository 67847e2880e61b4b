"""The positional MLP, worked out row by row from POPGym's definition."""

import math

import torch
from core_cases import BATCH, make, random_rows
from test_contract import TIGHT
from torch.nn.functional import layer_norm, leaky_relu

from engram.memory_cores import PosMLP


def slow_encoding(row, width, max_length):
    waves = [row * max_length ** (-2 * (i // 2) / width) for i in range(width)]
    values = [math.cos(angle) if i % 2 else math.sin(angle) for i, angle in enumerate(waves)]
    return torch.tensor(values, dtype=torch.float64)


def test_equals_the_definition():
    core = PosMLP(5, hidden_size=7, max_length=50.0).double()  # an odd width: its last wave has no cosine
    with torch.no_grad():
        core.strength.fill_(0.3)
    x, is_first = random_rows(), torch.zeros(BATCH, 9, dtype=torch.bool)
    is_first[1, [3, 7]] = True
    carry = core.initial_carry(BATCH)
    carry["count"][0] = 1000
    y, last = core(x, carry, is_first)
    assert last["count"].tolist() == [1009, 2, 9]
    share = 1 / (1 + math.exp(-0.3))
    for b, first in ((0, 1000), (1, 0)):
        for t in range(3):
            mixed = (1 - share) * layer_norm(core.embed[0](x[b, t]), (7,))
            v = mixed + share * slow_encoding(first + t, 7, 50.0)
            for linear in (core.mlp[0], core.mlp[2]):
                v = leaky_relu(linear(v))
            torch.testing.assert_close(y[b, t], v, **TIGHT)
    torch.testing.assert_close(y[1, 7], core(x[1:2, 7:8], core.initial_carry(1), is_first[1:2, 7:8])[0][0, 0])


def test_it_begins_half_and_half_and_knows_the_row_alone():
    core = make("pos_mlp")
    assert core.strength.sigmoid().item() == 0.5 and core.carry_size() == 0
    x = random_rows()
    x[:, 1:] = x[:, :1]
    y, _ = core(x, core.initial_carry(BATCH), torch.zeros(BATCH, 9, dtype=torch.bool))
    assert (y[:, 1:] - y[:, :1]).abs().amax(-1).min() > 1e-4  # the same input, another row
