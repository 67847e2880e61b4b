"""State-space models by themselves: LRU against golden vectors, S4D as a convolution, and first values."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from golden_cases import TIGHT, assert_golden, load_golden, weights_of

from engram.memory_cores import LRU, S4D, S5, ScanCore
from engram.memory_cores.cores.lru import LinearRecurrentUnit
from engram.memory_cores.cores.s4d import ChannelSSM, frequencies
from engram.memory_cores.state_space import interleave


class Alone(ScanCore):
    """A state-space model as a core."""

    def __init__(self, ssm, width):
        super().__init__(width, width)
        self.ssm = ssm

    def carry_spec(self):
        return {"state": self.ssm.leaf()}

    def equations(self, x, memory):
        return self.ssm(x, self.ssm.modes().rounded(), partial(memory.scan, "state"))


def test_lru_is_the_published_one():
    golden = load_golden("lru")
    w = weights_of(golden)
    core = Alone(LinearRecurrentUnit(4, 5, 0.9, 0.999, 0.3), 4).double()
    with torch.no_grad():
        core.ssm.log_decay.copy_(w["nu_log"])
        core.ssm.log_phase.copy_(w["theta_log"])
        core.ssm.log_scale.copy_(w["gamma_log"])
        core.ssm.input_matrix.copy_(interleave(torch.complex(w["B_re"], w["B_im"]).mT).mT)
        core.ssm.output_matrix.copy_(interleave(torch.complex(w["C_re"], -w["C_im"])))
        core.ssm.skip.copy_(w["D"])
    assert_golden(core, golden, lambda published: {"state": published["h"]})


def test_modes_begin_on_the_ring_and_with_the_variance_of_their_inputs():
    torch.manual_seed(0)
    unit = LinearRecurrentUnit(64, 4000, 0.9, 0.99, 0.3)
    with torch.no_grad():
        transition, scale = unit.modes().transition()
    squared = transition.abs().square()
    torch.testing.assert_close(scale, (1 - squared).sqrt(), rtol=1e-4, atol=1e-6)
    assert 0.9 <= transition.abs().min() and transition.abs().max() <= 0.99
    assert squared.mean().item() == pytest.approx((0.9**2 + 0.99**2) / 2, abs=0.003)
    assert 0 <= transition.angle().min() and transition.angle().max() <= 0.3
    # Of white noise u the modes have variance E|B u|² = 1, and Re(C h) twice a half of that.
    matrix = torch.view_as_complex(unit.input_matrix.detach().mT.unflatten(-1, (-1, 2)).contiguous())
    assert matrix.abs().square().sum(0).mean().item() == pytest.approx(1, abs=0.02)
    assert unit.output_matrix.square().sum(1).mean().item() == pytest.approx(2, abs=0.02)


def test_no_value_of_its_parameters_makes_it_explode():
    unit = LinearRecurrentUnit(2, 2, 0.0, 1.0, 2 * math.pi)
    with torch.no_grad():
        unit.log_decay.copy_(torch.tensor([-30.0, 30.0]))
        assert unit.modes().transition()[0].abs().max() <= 1


def test_radii_in_the_wrong_order_get_a_sentence():
    with pytest.raises(ValueError, match=r"r_min of LRU must be below r_max \(0\.9\), but got 0\.95"):
        LRU(3, r_min=0.95, r_max=0.9)


@pytest.mark.parametrize("discretization", ["zoh", "bilinear"])
@pytest.mark.parametrize("init", ["lin", "inv", "legs"])
def test_s4d_is_a_convolution_of_each_channel_within_an_episode(init, discretization):
    """y[t] = Σ_l K[l] u[t − l] + D u[t] with the kernel K[l] = 2 Re Σ C B̄ Ā^l."""
    torch.manual_seed(0)
    ssm = ChannelSSM(3, 8, init, discretization, 0.01, 0.5, None).double()
    x, length = torch.randn(1, 12, 3, dtype=torch.float64), 12
    begins, is_first = [0, 4, 5], torch.zeros(1, length, dtype=torch.bool)
    is_first[0, begins] = True
    core = Alone(ssm, 3)
    y, last = core(x, core.initial_carry(1), is_first)
    p = {name: value.detach().numpy() for name, value in ssm.named_parameters()}
    eigenvalues, step = -np.exp(p["log_decay"]) + 1j * p["frequency"], np.exp(p["log_time_step"])
    if discretization == "zoh":
        a = np.exp(eigenvalues * step)
        b = (a - 1) / eigenvalues
    else:
        a = (1 + eigenvalues * step / 2) / (1 - eigenvalues * step / 2)
        b = step / (1 - eigenvalues * step / 2)
    c = p["output_matrix"][:, 0::2] - 1j * p["output_matrix"][:, 1::2]
    kernel = np.stack([2 * (c * b * a**lag).sum(-1).real for lag in range(length)])
    u = x[0].numpy()
    for begin, end in zip(begins, [*begins[1:], length], strict=True):
        for t in range(begin, end):
            expected = p["skip"] * u[t] + sum(kernel[t - s] * u[s] for s in range(begin, t + 1))
            torch.testing.assert_close(y[0, t], torch.from_numpy(expected), **TIGHT)
    state = sum(b * a ** (length - 1 - s) * u[s][:, None] for s in range(begins[-1], length))
    torch.testing.assert_close(last["state"][0], torch.from_numpy(state), **TIGHT)


def test_s4d_begins_with_published_frequencies():
    assert frequencies(4, "lin").tolist() == [0, math.pi]
    expected = [4 / math.pi * 3, 4 / math.pi * (4 / 3 - 1)]
    assert frequencies(4, "inv").tolist() == pytest.approx(expected)
    assert frequencies(4, "legs").tolist() == pytest.approx([0.556501, 4.603293], abs=1e-6)


@pytest.mark.parametrize(("state_scale", "low", "high"), [(None, 0.0, 0.4), (1.0, 0.9, 1.1), (3.0, 2.7, 3.3)])
def test_s4d_reads_its_states_as_large_as_it_is_asked_to(state_scale, low, high):
    """Driven by noise of unit variance; time steps are long enough for the states to settle."""
    torch.manual_seed(0)
    ssm = ChannelSSM(400, 8, "lin", "zoh", 0.05, 0.2, state_scale)
    core = Alone(ssm, 400)
    with torch.no_grad():
        _, last = core(
            torch.randn(16, 300, 400), core.initial_carry(16), torch.zeros(16, 300, dtype=torch.bool)
        )
        parts = (torch.view_as_real(last["state"]), ssm.output_matrix.unflatten(-1, (-1, 2)))
        states, c = (part.square().sum(-1) for part in parts)
    assert low < (states * c).mean().sqrt().item() < high


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"state_size": 7}, "state_size of S4D must be even, but got 7"),
        ({"init": "random"}, "init of S4D must be one of lin, inv, legs"),
        ({"dt_min": 0.2}, r"dt_min of S4D must be at most dt_max \(0\.1\), but got 0\.2"),
    ],
)
def test_wrong_s4d_options_get_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        S4D(3, hidden_size=4, **options)


@pytest.mark.parametrize("make", [S5, LRU, S4D])
def test_no_step_uses_what_was_made_of_earlier_parameters(make):
    """An optimiser moves parameters in place, and a checkpoint is read into them; both count at once."""
    torch.manual_seed(0)
    core, other = make(3, 8), make(3, 8)
    x, carry, never = torch.randn(2, 3), core.initial_carry(2), torch.zeros(2, dtype=torch.bool)
    carry = carry.apply(torch.ones_like)
    with torch.no_grad():
        before = core.step(x, carry, never)[1], core(x[:, None], carry, never[:, None])[1]
        for parameter in core.parameters():
            parameter.add_(0.1)
        other.load_state_dict(core.state_dict())
        for after, fresh, earlier in zip(
            (core.step(x, carry, never)[1], core(x[:, None], carry, never[:, None])[1]),
            (other.step(x, carry, never)[1], other(x[:, None], carry, never[:, None])[1]),
            before,
            strict=True,
        ):
            assert all(
                torch.equal(a, b)
                for a, b in zip(after.values(True, True), fresh.values(True, True), strict=True)
            )
            assert not any(
                torch.equal(a, b)
                for a, b in zip(after.values(True, True), earlier.values(True, True), strict=True)
            )


def test_what_is_read_from_modes_is_the_same_compiled():
    """torch's compiler once lost the 2 of conjugate symmetry."""
    ssm = S5(5, hidden_size=6, state_size=4).layers[0].ssm
    u, state = torch.randn(3, 6), torch.randn(3, 2, dtype=torch.complex64)
    with torch.no_grad():
        read = torch.compile(ssm.read, fullgraph=True)
        torch.testing.assert_close(read(u, state), ssm.read(u, state))
