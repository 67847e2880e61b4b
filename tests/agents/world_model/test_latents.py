"""Categorical latents: unimix, sampling, straight-through gradients, balanced divergences."""

import math

import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from engram.agents.world_model import latents


def test_golden_unimix():
    log_probs = latents.unimix(torch.tensor([1e4] + [0.0] * 31), 0.01)
    assert log_probs.exp().min().item() == pytest.approx(0.0003125)
    certain, other = log_probs.view(1, 32), log_probs.roll(1).view(1, 32)
    largest = 0.99 * math.log(0.9903125 / 0.0003125)  # below the 8.07 = ln 1 / 0.0003125 that bounds it
    assert latents.kl_divergence(certain, other).item() == pytest.approx(largest, abs=1e-4)
    torch.testing.assert_close(
        latents.unimix(torch.tensor([2.0, 1.0]), 0.0), torch.tensor([2.0, 1.0]).log_softmax(0)
    )


def test_samples_follow_the_probabilities():
    log_probs = torch.tensor([[0.5, 0.2, 0.3], [0.1, 0.1, 0.8]]).log().expand(10_000, 2, 3)
    noise = torch.rand(10_000, 2, generator=torch.Generator().manual_seed(0))
    index = latents.sample_index(log_probs, noise)
    counts = torch.nn.functional.one_hot(index, 3).float().mean(0)
    torch.testing.assert_close(counts, log_probs[0].exp(), rtol=0, atol=0.02)
    edges = torch.tensor([[0.4999, 0.0999], [0.5001, 1 - 2**-24]])
    assert latents.sample_index(log_probs[:2], edges).tolist() == [[0, 0], [1, 2]]


def test_straight_through_by_hand():
    """The value is one-hot to the last bit; the gradient is that of the probabilities."""
    logits = torch.randn(500, 3, 7, generator=torch.Generator().manual_seed(1), requires_grad=True)
    noise = torch.rand(500, 3, generator=torch.Generator().manual_seed(2))
    z = latents.sample(latents.unimix(logits), noise)
    assert torch.equal(z.detach().sort(-1).values[..., -2:], torch.tensor([0.0, 1.0]).expand(500, 3, 2))
    weights = torch.randn(z.shape, generator=torch.Generator().manual_seed(3))
    through = torch.autograd.grad((z * weights).sum(), logits)[0]
    expected = torch.autograd.grad((latents.unimix(logits).exp() * weights).sum(), logits)[0]
    torch.testing.assert_close(through, expected)


def test_balanced_kl_by_hand():
    """Two categoricals of two classes: ½ ln ½/¼ + ½ ln ½/¾ = 0.143841 each; both below and above the free nats."""
    posterior = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log().requires_grad_()
    prior = torch.tensor([[0.25, 0.75], [0.25, 0.75]]).log().requires_grad_()
    once = 0.5 * math.log(4 / 3)
    for free_nats, expected in ((0.0, 2 * once), (0.2, 2 * once), (1.0, 1.0)):
        losses = latents.balanced_kl(posterior, prior, free_nats)
        assert [loss.item() for loss in losses] == pytest.approx([expected, expected], abs=1e-6)
        gradients = [
            torch.autograd.grad(loss, (posterior, prior), allow_unused=True, retain_graph=True)
            for loss in losses
        ]
        assert gradients[0][0] is None and gradients[1][1] is None
        for gradient in (gradients[0][1], gradients[1][0]):
            assert (gradient == 0).all() == (free_nats == 1.0)


def test_kl_and_entropy_agree_with_torch():
    generator = torch.Generator().manual_seed(0)
    p, q = (latents.unimix(torch.randn(6, 3, 5, generator=generator)) for _ in range(2))
    torch.testing.assert_close(
        latents.kl_divergence(p, q), kl_divergence(Categorical(logits=p), Categorical(logits=q)).sum(-1)
    )
    torch.testing.assert_close(latents.entropy(p), Categorical(logits=p).entropy().sum(-1))
