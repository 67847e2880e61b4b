"""S5 against an independent recurrence in float64, over sequences as long as memories are meant to reach."""

import math

import numpy as np
import pytest
import torch

from engram.memory_cores import S5
from engram.memory_cores.scan import linear_scan
from engram.memory_cores.state_space.s5_ssm import S5SSM

BATCH, LENGTH, WIDTH = 2, 16_384, 16
erf = np.vectorize(math.erf)


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def norm(v, weights):
    centred = v - v.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return scaled * weights["weight"] + weights["bias"]


def numpy_parameters(module):
    return {name: value.detach().double().numpy() for name, value in module.named_parameters()}


def states_of(carry):
    """The states of the layers, complex128 [B, P] each."""
    return [layer["state"].to(torch.complex128) for layer in carry.values()]


def discrete(p, conj_sym, discretization):
    """Transition, input and output matrix of a layer from its stored real numbers."""
    eigenvalues = p["eigenvalue_real"] + 1j * p["eigenvalue_imag"]
    step = np.exp(p["log_time_step"])
    b = p["input_matrix"][0::2] + 1j * p["input_matrix"][1::2]
    c = p["output_matrix"][:, 0::2] - 1j * p["output_matrix"][:, 1::2]
    if discretization == "zoh":
        a = np.exp(eigenvalues * step)
        b = ((a - 1) / eigenvalues)[:, None] * b
    else:
        a = (1 + step * eigenvalues / 2) / (1 - step * eigenvalues / 2)
        b = (step / (1 - step * eigenvalues / 2))[:, None] * b
    return a, b, (2 if conj_sym else 1) * c


def layer_in_float64(layer, u, state, is_first, **options):
    """One layer, a row at a time: u [B, T, H], state [B, P]."""
    p = numpy_parameters(layer.ssm)
    a, b, c = discrete(p, **options)
    initial = p["initial_parts"][0::2] + 1j * p["initial_parts"][1::2] if "initial_parts" in p else 0.0
    normed = norm(u, numpy_parameters(layer.prenorm)) if list(layer.prenorm.parameters()) else u
    read = np.empty_like(u)
    for t in range(u.shape[1]):
        state = a * np.where(is_first[:, t, None], initial, state) + normed[:, t] @ b.T
        read[:, t] = (state @ c.T).real + p["skip"] * normed[:, t]
    g = read * 0.5 * (1 + erf(read / math.sqrt(2)))
    value, gate = numpy_parameters(layer.value), numpy_parameters(layer.gate)
    mixed = (g @ value["weight"].T + value["bias"]) * sigmoid(g @ gate["weight"].T + gate["bias"])
    out = u + mixed
    return (norm(out, numpy_parameters(layer.postnorm)) if list(layer.postnorm.parameters()) else out), state


@pytest.mark.parametrize(
    "options",
    [
        {"conj_sym": True, "discretization": "zoh"},
        {"conj_sym": False, "discretization": "bilinear", "prenorm": False, "postnorm": True, "blocks": 4}
        | {"initial_state": "learned"},
    ],
    ids=["s5", "r2i"],
)
def test_float32_equals_a_float64_recurrence(options):
    torch.manual_seed(0)
    core = S5(WIDTH, hidden_size=WIDTH, state_size=16, num_layers=2, **options)
    with torch.no_grad():
        for layer in core.layers:
            if layer.ssm.initial_parts is not None:
                layer.ssm.initial_parts.normal_()
    x, is_first = torch.randn(BATCH, LENGTH, WIDTH), torch.rand(BATCH, LENGTH) < 0.001
    carry = core.initial_carry(BATCH).apply(torch.randn_like)
    y, last = core(x, carry, is_first)
    expected, states = x.double().numpy(), []
    for layer, state in zip(core.layers, states_of(carry), strict=True):
        kwargs = {key: options[key] for key in ("conj_sym", "discretization")}
        expected, after = layer_in_float64(layer, expected, state.numpy(), is_first.numpy(), **kwargs)
        states.append(after)
    torch.testing.assert_close(y.double(), torch.from_numpy(expected), rtol=1e-5, atol=1e-5)
    expected_last = torch.from_numpy(np.stack(states, 1))
    difference = (torch.stack(states_of(last), 1) - expected_last).abs().max()
    # A mode that remembers thousands of rows multiplies the rounding of its own transition to float32.
    assert difference < 3e-5 * expected_last.abs().max()


def test_a_learned_initial_state_is_what_an_episode_begins_with():
    torch.manual_seed(0)
    core = S5(3, hidden_size=4, state_size=4, num_layers=2, initial_state="learned").double()
    with torch.no_grad():
        for layer in core.layers:
            layer.ssm.initial_parts.normal_()
    x, other = torch.randn(2, 5, 3, dtype=torch.float64), core.initial_carry(2).apply(torch.randn_like)
    is_first = torch.zeros(2, 5, dtype=torch.bool)
    expected, _ = core(x, core.initial_carry(2), is_first)
    is_first[:, 0] = True
    torch.testing.assert_close(core(x, other, is_first)[0], expected)
    assert all(state.abs().min() > 0 for state in states_of(core.initial_carry(2)))


@pytest.mark.parametrize("discretization", ["zoh", "bilinear"])
@pytest.mark.parametrize(("state_scale", "low", "high"), [(None, 0.1, 0.6), (1.0, 0.8, 1.2), (3.0, 2.4, 3.6)])
def test_states_begin_as_large_as_they_are_asked_to_be(discretization, state_scale, low, high):
    """Driven by noise of unit variance; time steps are long enough for the state to settle."""
    torch.manual_seed(0)
    none = torch.zeros(4, 1500, dtype=torch.bool)
    ssm = S5SSM(64, 32, 4, False, discretization, False, 0.02, 0.2, state_scale=state_scale)
    with torch.no_grad():
        states = []
        ssm(
            torch.randn(4, 1500, 64),
            ssm.modes().rounded(),
            lambda a, b, read: states.append(linear_scan(a, b, none, b[:, 0] * 0)) or states[0],
        )
    deviation = states[0][:, 500:].abs().square().mean().sqrt()
    assert low < deviation < high
