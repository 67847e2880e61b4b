"""The kernels of categorical latents: in Triton's interpreter on any machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engram.agents.world_model import latents

pytest.importorskip("triton")
ROOT = Path(__file__).resolve().parents[3]
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
needs_interpreter = pytest.mark.skipif(not INTERPRETED, reason="needs TRITON_INTERPRET=1")


@pytest.mark.skipif(INTERPRETED, reason="runs the others")
def test_kernels_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr


@needs_interpreter
@pytest.mark.parametrize("classes", [5, 32])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_unimix_and_its_gradient(classes, dtype):
    logits = (4 * torch.randn(3, 37, classes)).to(dtype)
    logits[0, 0, 0] = 1e4
    logits.requires_grad_()
    weight = torch.randn(3, 37, classes)
    results = []
    for function in (latents.unimix, latents._Unimix.apply):
        log_probs = function(logits, 0.01)
        (grad,) = torch.autograd.grad(log_probs, logits, weight)
        results.append((log_probs.detach(), grad))
    for plain, fused in zip(*results, strict=True):
        assert plain.dtype == fused.dtype
        torch.testing.assert_close(fused, plain, rtol=1e-4 if dtype == torch.float32 else 1e-2, atol=1e-4)


@needs_interpreter
def test_gradients_of_unimix_can_be_differentiated():
    logits = torch.randn(2, 4, requires_grad=True)
    results = []
    for function in (latents.unimix, latents._Unimix.apply):
        (first,) = torch.autograd.grad(function(logits, 0.1).square().sum(), logits, create_graph=True)
        results.append(torch.autograd.grad(first.square().sum(), logits)[0])
    torch.testing.assert_close(*results)


@needs_interpreter
@pytest.mark.parametrize("classes", [5, 32])
def test_draws_and_their_gradient(classes):
    log_probs = latents.unimix(3 * torch.randn(3, 37, classes)).requires_grad_()
    uniform = torch.rand(3, 37)
    uniform[0, :2] = torch.tensor([1e-7, 1 - 1e-7])
    weight = torch.randn(3, 37, classes)
    results = []
    for function in (latents.sample, latents._Sample.apply):
        z = function(log_probs, uniform)
        results.append((z.detach(), torch.autograd.grad(z, log_probs, weight)[0]))
    for plain, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, plain)
