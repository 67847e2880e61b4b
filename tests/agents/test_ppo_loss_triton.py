"""The kernels of PPO's loss, in Triton's interpreter on any machine, are the plain loss and its gradients."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engram.agents.ppo.loss import TERMS, LossRows, _Loss, ppo_loss_reference
from engram.agents.ppo.settings import PPOSettings

pytest.importorskip("triton")
ROOT = Path(__file__).resolve().parents[2]
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
needs_interpreter = pytest.mark.skipif(not INTERPRETED, reason="needs TRITON_INTERPRET=1")
SHAPES = {"one": (1, 1), "few": (3, 7), "several programs": (37, 64)}


@pytest.mark.skipif(INTERPRETED, reason="runs the others")
def test_kernels_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr


def rows_of(shape, unread):
    """Log-probabilities, entropies and values, and stored rows, some of which do not count."""
    torch.manual_seed(3)
    new = [0.3 * torch.randn(shape).requires_grad_() for _ in range(3)]
    log_prob, value, target, advantage = (0.3 * torch.randn(shape) for _ in range(4))
    mask = torch.rand(shape) < 0.8
    return new, LossRows(log_prob, value, target, 3 + advantage.where(mask, unread), mask)


def results(loss, new):
    grads = torch.autograd.grad(2 * loss[0], new)
    return [*loss, *grads]


@needs_interpreter
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("normalize_advantage", ["minibatch", "none"])
@pytest.mark.parametrize("value_clip_range", [None, 0.2])
def test_loss_terms_and_gradients(shape, normalize_advantage, value_clip_range):
    settings = PPOSettings(
        normalize_advantage=normalize_advantage, value_clip_range=value_clip_range, entropy_coef=0.01
    )
    new, rows = rows_of(SHAPES[shape], torch.nan if normalize_advantage == "minibatch" else 0.0)
    loss, terms = ppo_loss_reference(*new, rows, settings)
    expected = results([loss, *(terms[name] for name in TERMS)], new)
    found = results(_Loss.apply(*new, rows, settings), new)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)


@needs_interpreter
def test_equal_errors_share_the_gradient_as_in_torch_and_no_valid_row_gives_zero():
    settings = PPOSettings(value_clip_range=0.5, clip_range=0.2)
    value = torch.tensor([[1.0, 0.25, 2.0]], requires_grad=True)
    log_prob, entropy = torch.zeros(1, 3, requires_grad=True), torch.zeros(1, 3, requires_grad=True)
    target = torch.tensor([[0.75, 0.0, 0.0]])  # at first both errors are 0.25² on either side of the target
    zeros = torch.zeros(1, 3)
    for mask in (torch.ones(1, 3, dtype=torch.bool), torch.zeros(1, 3, dtype=torch.bool)):
        rows = LossRows(zeros, zeros, target, torch.tensor([[1.0, -1.0, 0.5]]), mask)
        new = [log_prob, entropy, value]
        loss, terms = ppo_loss_reference(*new, rows, settings)
        expected = results([loss, *(terms[name] for name in TERMS)], new)
        for one, other in zip(expected, results(_Loss.apply(*new, rows, settings), new), strict=True):
            torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-6)
        assert mask.any() or not any(result.any() for result in expected)
