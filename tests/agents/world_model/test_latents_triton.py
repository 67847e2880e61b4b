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


def mixed(logits, ratio):
    """`unimix` by its kernel."""
    return latents._Mixed.apply(logits, ratio, None)[0]


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
    for function in (latents.unimix, mixed):
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
    for function in (latents.unimix, mixed):
        (first,) = torch.autograd.grad(function(logits, 0.1).square().sum(), logits, create_graph=True)
        results.append(torch.autograd.grad(first.square().sum(), logits)[0])
    torch.testing.assert_close(*results)


@needs_interpreter
@pytest.mark.parametrize("classes", [5, 32])
@pytest.mark.parametrize("weighted", ["z", "both"])
def test_draws_and_their_gradient(classes, weighted):
    logits, uniform = (3 * torch.randn(3, 37, classes)).requires_grad_(), torch.rand(3, 37)
    uniform[0, :2] = torch.tensor([1e-7, 1 - 1e-7])
    weights, results = torch.randn(2, 3, 37, classes), []
    for function in (latents.draw, lambda *args: latents._Mixed.apply(args[0], args[2], args[1])):
        log_probs, z = function(logits, uniform, 0.01)
        loss = (z * weights[0]).sum() + (0 if weighted == "z" else (log_probs * weights[1]).sum())
        first = torch.autograd.grad(loss, logits, create_graph=True)[0]
        plain = torch.autograd.grad(loss, logits, retain_graph=True)[0]
        second = torch.autograd.grad(first.square().sum(), logits)[0]
        results.append((log_probs.detach(), z.detach(), first.detach(), plain, second))
    for plain, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-4)
