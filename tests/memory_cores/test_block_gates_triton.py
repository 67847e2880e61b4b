"""The kernels of a block-diagonal unit's gates: in Triton's interpreter on any machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engram.memory_cores.loop.block_gates import _BlockGates, block_gates_reference

pytest.importorskip("triton")
ROOT = Path(__file__).resolve().parents[2]
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


@pytest.mark.skipif(INTERPRETED, reason="runs the others")
def test_kernels_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.skipif(not INTERPRETED, reason="needs TRITON_INTERPRET=1")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_are_those_of_plain_operations(dtype):
    gates = (3 * torch.randn(4, 5, 3 * 20)).to(dtype).requires_grad_()
    hidden = torch.randn(5, 4 * 20, requires_grad=True)
    weight = torch.randn(5, 4 * 20)
    results = []
    for function in (block_gates_reference, _BlockGates.apply):
        following = function(gates, hidden, -1.0)
        grads = torch.autograd.grad(following, (gates, hidden), weight)
        results.append((following.detach(), *grads))
    close = {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 2e-2, "atol": 2e-2}
    for plain, fused in zip(*results, strict=True):
        assert plain.dtype == fused.dtype
        torch.testing.assert_close(fused, plain, **close)


@pytest.mark.skipif(not INTERPRETED, reason="needs TRITON_INTERPRET=1")
def test_gradients_can_be_differentiated():
    gates, hidden = torch.randn(2, 3, 6, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    results = []
    for function in (block_gates_reference, _BlockGates.apply):
        (first,) = torch.autograd.grad(function(gates, hidden, -1.0).sum(), gates, create_graph=True)
        results.append(torch.autograd.grad(first.square().sum(), (gates, hidden)))
    for plain, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, plain)
