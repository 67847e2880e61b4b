"""Cores whose gates see the input alone: golden vectors, plain references and first values."""

import math

import numpy as np
import pytest
import torch
from golden_cases import TIGHT, assert_golden, load_golden, weights_of
from torch.nn.functional import softplus

from engram.memory_cores import RGLRU, MinGRU, MinLSTM
from engram.memory_cores.cores.rg_lru import RealGatedUnit

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
def test_gates_begin_with_weights_so_large_as_asked(kind):
    for init, gain in (("chrono", 4.0), ("published", 1.0)):
        weight = kind(9, hidden_size=500, init=init, gate_gain=4.0).gates.weight
        assert weight.abs().max().item() == pytest.approx(gain / 3, rel=0.01)  # U(±1 / √9) as torch


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


def gelu(v):
    return v * 0.5 * (1 + np.vectorize(math.erf)(v / math.sqrt(2)))


def layer_norm(v):
    centred = v - v.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)


def rg_lru_row(p, x, state):
    """A row of one environment: x [H]; state is None at first, or hidden [N] and the last inputs, oldest first."""
    v = layer_norm(x)
    inputs = [p["input.weight"] @ v + p["input.bias"]]
    hidden, earlier = (None, []) if state is None else state
    inputs = earlier + inputs
    taps = p["convolution.weight"].shape[1]
    window = inputs[-taps:]
    u = p["convolution.bias"] + sum(
        p["convolution.weight"][:, -1 - d] * row for d, row in enumerate(window[::-1])
    )
    blocks, block = p["unit.gate_weight"].shape[:2]
    gates = [
        u[g * block : (g + 1) * block] @ p["unit.gate_weight"][g] + p["unit.gate_bias"][g]
        for g in range(blocks)
    ]
    r, i = (sigmoid(np.concatenate([gate[half * block :][:block] for gate in gates])) for half in (0, 1))
    a = np.exp(-8 * r * np.log1p(np.exp(p["unit.decay"])))
    hidden = i * u if hidden is None else a * hidden + np.sqrt(1 - a**2) * i * u
    gate = gelu(p["gate.weight"] @ v + p["gate.bias"])
    return x + p["output.weight"] @ (gate * hidden) + p["output.bias"], (hidden, inputs)


def test_rg_lru_is_its_published_equations_row_by_row():
    torch.manual_seed(0)
    core = RGLRU(
        INPUT, hidden_size=INPUT, state_size=HIDDEN, num_layers=1, blocks=2, convolution_size=3
    ).double()
    with torch.no_grad():
        for parameter in core.layers[0].mixer.parameters():
            parameter.normal_(std=0.5)
    x, is_first = rows()
    p = numpy_parameters(core.layers[0].mixer)
    y, last = core(x, core.initial_carry(BATCH), is_first)
    for b in range(BATCH):
        state = None
        for t in range(LENGTH):
            expected, state = rg_lru_row(p, x[b, t].numpy(), None if is_first[b, t] else state)
            torch.testing.assert_close(y[b, t], torch.from_numpy(expected), **TIGHT)
        torch.testing.assert_close(last["layer_0", "hidden"][b], torch.from_numpy(state[0]), **TIGHT)


@pytest.mark.parametrize(
    ("init", "share"), [("spread", math.log(10.24) / math.log(512)), ("published", 0.016)]
)
def test_units_of_an_rg_lru_begin_with_spread_time_scales(init, share):
    """`share` of them fade by e in more than 100 rows while their gate is half open."""
    torch.manual_seed(0)
    core = RGLRU(4, hidden_size=4, state_size=4000, num_layers=1, init=init)
    unit = core.layers[0].mixer.unit
    scales = 1 / -torch.expm1(-4 * softplus(unit.decay.detach().double()))
    assert (scales > 100).double().mean().item() == pytest.approx(share, abs=0.006)
    if init == "spread":
        assert scales.min().item() == pytest.approx(2, rel=1e-3) and scales.max().item() == pytest.approx(
            1024, rel=1e-2
        )


def test_gates_that_close_have_finite_gradients():
    unit = RealGatedUnit(2, 1, None)
    core = RGLRU(2, hidden_size=2, state_size=2, blocks=1, num_layers=1)
    core.layers[0].mixer.unit = unit
    with torch.no_grad():
        unit.gate_bias.fill_(-200.0)
    y, _ = core(torch.randn(1, 3, 2), core.initial_carry(1), torch.zeros(1, 3, dtype=torch.bool))
    y.sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in core.parameters())


def test_blocks_that_do_not_divide_the_units_get_a_sentence():
    with pytest.raises(
        ValueError, match=r"state_size of RGLRU must be a multiple of blocks \(4\), but got 6"
    ):
        RGLRU(3, state_size=6)
