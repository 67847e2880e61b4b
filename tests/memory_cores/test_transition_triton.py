"""The kernels of discretised modes: in Triton's interpreter on any machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engram.memory_cores.state_space import Modes, Rule
from engram.memory_cores.state_space.transition import _Transition

pytest.importorskip("triton")
ROOT = Path(__file__).resolve().parents[2]
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


@pytest.mark.skipif(INTERPRETED, reason="runs the others")
def test_kernels_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr


RULES = {
    "s5": (Rule("zoh", max_decay=-1e-4), (37,), (37,)),
    "s5_unbound": (Rule("zoh"), (37,), (37,)),
    "r2i": (Rule("bilinear", max_decay=-1e-4), (37,), (37,)),
    "s4d": (Rule("zoh", log_decay=True), (5, 8), (5, 1)),
    "s4d_bilinear": (Rule("bilinear", log_decay=True), (5, 8), (5, 1)),
    "lru": (Rule("exponential"), (37,), (37,)),
}


@pytest.mark.skipif(not INTERPRETED, reason="needs TRITON_INTERPRET=1")
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_those_of_plain_operations(name, dtype):
    from engram.memory_cores.state_space import cuda

    rule, shape, of_logarithm = RULES[name]
    # Decays on both sides of their bound, and time steps down to where exp(ΛΔ) − 1 would lose its digits.
    decay = torch.linspace(-2, 0.5, 37).repeat(2)[: torch.Size(shape).numel()].reshape(shape)
    frequency = torch.randn(shape) * 3
    logarithm = torch.empty(of_logarithm).uniform_(-12, 0)
    parameters = [part.to(dtype).requires_grad_() for part in (decay, frequency, logarithm)]
    plain = [
        part.to(torch.promote_types(dtype, torch.complex64)) for part in Modes(rule, *parameters).transition()
    ]
    weights = [torch.randn_like(part) for part in plain]
    fused = cuda.transition_forward(rule, *parameters)
    exact = {"rtol": 1e-6, "atol": 1e-7} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-13}
    for found, expected in zip(fused, plain, strict=True):
        torch.testing.assert_close(found, expected.detach(), **exact)
    expected = torch.autograd.grad(plain, parameters, weights)
    found = cuda.transition_backward(rule, *parameters, *weights)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=10 * exact["rtol"], atol=exact["atol"])


@pytest.mark.skipif(not INTERPRETED, reason="needs TRITON_INTERPRET=1")
def test_gradients_of_gradients():
    rule = RULES["r2i"][0]
    parameters = [torch.linspace(-2, -1, 2).double().mul(scale).requires_grad_() for scale in (1.0, 2.0, 0.5)]

    def function(*parameters):
        return tuple(torch.view_as_real(part) for part in _Transition.apply(rule, *parameters))

    assert torch.autograd.gradcheck(function, parameters)
    assert torch.autograd.gradgradcheck(function, parameters)
