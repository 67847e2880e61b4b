"""State-space models by themselves: LRU against golden vectors, and its first values."""

import math
from functools import partial

import pytest
import torch
from golden_cases import assert_golden, load_golden, weights_of

from engram.memory_cores import LRU, ScanCore
from engram.memory_cores.lru import LinearRecurrentUnit
from engram.memory_cores.state_space import interleave


class Alone(ScanCore):
    """A state-space model as a core."""

    def __init__(self, ssm, width):
        super().__init__(width, width)
        self.ssm = ssm

    def carry_spec(self):
        return {"state": self.ssm.leaf()}

    def equations(self, x, memory):
        return self.ssm(x, partial(memory.scan, "state"))


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
        transition, scale = unit.transition()
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
        assert unit.transition()[0].abs().max() <= 1


def test_radii_in_the_wrong_order_get_a_sentence():
    with pytest.raises(ValueError, match=r"r_min of LRU must be below r_max \(0\.9\), but got 0\.95"):
        LRU(3, r_min=0.95, r_max=0.9)
