"""Cores whose gates see the input alone: golden vectors, plain references and first values."""

import numpy as np
import pytest
import torch
from golden_cases import TIGHT, assert_golden, load_golden, weights_of

from engram.memory_cores import MinGRU, MinLSTM

BATCH, LENGTH, INPUT, HIDDEN = 2, 9, 4, 6


def rows():
    torch.manual_seed(0)
    x, is_first = torch.randn(BATCH, LENGTH, INPUT, dtype=torch.float64), torch.rand(BATCH, LENGTH) < 0.3
    is_first[0, 0] = True
    return x, is_first


def numpy_parameters(module):
    return {name: value.detach().numpy() for name, value in module.named_parameters()}


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def test_min_gru_is_the_published_one():
    golden = load_golden("min_gru")
    w = weights_of(golden)
    core = MinGRU(4, hidden_size=8, candidate="positive").double()
    with torch.no_grad():
        core.gates.weight.copy_(w["W_z"])
        core.value.weight.copy_(w["W_h"])
        core.gates.bias.zero_()
        core.value.bias.zero_()
    assert_golden(core, golden, lambda published: {"hidden": published["h"]})


@pytest.mark.parametrize("candidate", ["linear", "positive"])
def test_min_lstm_is_its_published_equations_row_by_row(candidate):
    core = MinLSTM(INPUT, HIDDEN, candidate).double()
    x, is_first = rows()
    hidden = torch.randn(BATCH, HIDDEN, dtype=torch.float64)
    y, last = core(x, core.initial_carry(BATCH).set("hidden", hidden), is_first)
    p, h = numpy_parameters(core), hidden.numpy()
    for t in range(LENGTH):
        gates = x[:, t].numpy() @ p["gates.weight"].T + p["gates.bias"]
        f, i = sigmoid(gates[:, :HIDDEN]), sigmoid(gates[:, HIDDEN:])
        v = x[:, t].numpy() @ p["value.weight"].T + p["value.bias"]
        v = np.where(v >= 0, v + 0.5, sigmoid(v)) if candidate == "positive" else v
        h = np.where(is_first[:, t, None], 0.0, h)
        h = f / (f + i) * h + i / (f + i) * v
        torch.testing.assert_close(y[:, t], torch.from_numpy(h), **TIGHT)
    torch.testing.assert_close(last["hidden"], torch.from_numpy(h), **TIGHT)


def test_two_closed_gates_of_a_min_lstm_are_no_nan():
    core = MinLSTM(1, 1)
    with torch.no_grad():
        core.gates.weight.zero_()
        core.gates.bias.copy_(torch.tensor([-300.0, -300.0]))
        core.value.weight.zero_()
        core.value.bias.fill_(2.0)
    carry = core.initial_carry(1).set("hidden", torch.ones(1, 1))
    y, _ = core.step(torch.zeros(1, 1), carry, torch.tensor([False]))
    y.sum().backward()
    assert y.item() == 1.5
    assert torch.isfinite(core.gates.bias.grad).all()


@pytest.mark.parametrize("kind", [MinGRU, MinLSTM])
def test_units_begin_with_time_scales_up_to_the_longest(kind):
    """Kept over τ rows of no input, a state fades by about e."""
    torch.manual_seed(0)
    core = kind(1, hidden_size=2000, max_time_scale=1000)
    torch.nn.init.zeros_(core.value.bias)
    y, _ = core.step(
        torch.zeros(1, 1), core.initial_carry(1).set("hidden", torch.ones(1, 2000)), torch.tensor([False])
    )
    scales = 1 / (1 - y)
    assert scales.min() > 1.99 and scales.max() < 1001
    assert (scales > 100).float().mean().item() == pytest.approx(np.log(10) / np.log(500), abs=0.04)


@pytest.mark.parametrize("kind", [MinGRU, MinLSTM])
def test_gates_are_not_rounded_to_half_precision(kind):
    core = kind(1, hidden_size=1).bfloat16()
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.zero_()
        core.gates.bias.copy_(torch.tensor([8.0, -8.0] if kind is MinLSTM else [-8.0]))
    carry = core.initial_carry(1).set("hidden", torch.ones(1, 1))
    _, after = core.step(torch.zeros(1, 1, dtype=torch.bfloat16), carry, torch.tensor([False]))
    assert after["hidden"].item() == pytest.approx(1 / (1 + np.exp(-8)), abs=1e-7)
