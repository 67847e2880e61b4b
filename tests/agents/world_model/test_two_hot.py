"""Symlog and two-hot: literal numbers, exact zeros, and TorchRL's functions as oracle."""

import math

import pytest
import torch
from torchrl.objectives import two_hot_cross_entropy, two_hot_decode

from engram.agents.world_model.layers import TwoHotHead
from engram.agents.world_model.two_hot import TwoHot, make_bins, symexp, symlog, two_hot


def test_symlog_by_hand():
    x = torch.tensor([0.0, math.e - 1, 1 - math.e**2])
    torch.testing.assert_close(symlog(x), torch.tensor([0.0, 1.0, -2.0]))
    torch.testing.assert_close(symexp(symlog(x)), x)


@pytest.mark.parametrize(
    ("spacing", "weight", "low", "high"),
    [("symlog", 0.172978, 1.417323, 1.574803), ("symexp", 0.184432, 3.126059, 3.829791)],
)
def test_golden_two_hot(spacing, weight, low, high):
    bins = make_bins(spacing)
    below, share = two_hot(torch.tensor(3.7), bins, spacing)
    assert below == 136
    assert share.item() == pytest.approx(weight, abs=2e-6)
    assert bins[136:138].tolist() == pytest.approx([low, high], abs=1e-5)


@pytest.mark.parametrize("spacing", ["symlog", "symexp"])
def test_bins_are_symmetric_to_the_last_bit(spacing):
    bins = make_bins(spacing)
    assert len(bins) == 255 and bins[127] == 0
    assert torch.equal(bins, -bins.flip(0))
    assert bins[-1].item() == pytest.approx(20.0 if spacing == "symlog" else math.expm1(20.0))
    fewer = make_bins(spacing, 63)
    torch.testing.assert_close(fewer, bins[96:-96], rtol=1e-6, atol=0)
    assert torch.equal(fewer, -fewer.flip(0))


@pytest.mark.parametrize("spacing", ["symlog", "symexp"])
@pytest.mark.parametrize("num_bins", [3, 127, 255])
def test_a_new_head_predicts_exactly_zero(spacing, num_bins):
    head = TwoHotHead(6, 8, 2, "layer", spacing, num_bins, decay=0.25)
    assert torch.equal(head(torch.randn(50, 6)).mean(), torch.zeros(50))


@pytest.mark.parametrize("spacing", ["symlog", "symexp"])
def test_targets_beyond_the_bins_and_on_them(spacing):
    bins = make_bins(spacing)
    targets = torch.tensor([-1e12, -2.5, 0.0, 1e12])
    logits = torch.full((4, 255), -1e4)
    below, weight = two_hot(targets, bins, spacing)
    logits.scatter_(1, below[:, None], weight.clamp(min=1e-30).log()[:, None])
    logits.scatter_(1, below[:, None] + 1, (1 - weight).clamp(min=1e-30).log()[:, None])
    expected = torch.tensor([-math.expm1(20.0), -2.5, 0.0, math.expm1(20.0)])
    torch.testing.assert_close(TwoHot(logits, bins, spacing).mean(), expected, rtol=1e-4, atol=1e-6)


def test_torchrl_agrees():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(40, 255, generator=generator, requires_grad=True)
    target = torch.randn(40, generator=generator) * 30
    bins = make_bins("symexp")
    distribution = TwoHot(logits, bins, "symexp")
    ours, theirs = -distribution.log_prob(target), two_hot_cross_entropy(logits, target, bins)
    torch.testing.assert_close(ours, theirs)
    gradients = [torch.autograd.grad(loss.sum(), logits)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients)
    torch.testing.assert_close(distribution.mean(), two_hot_decode(logits, bins))


def test_initial_bins_fall_away_from_0():
    """By ln 2 from each to the next: a third of all lies on 0, a sixth on either neighbour."""
    found = TwoHotHead(3, 4, 1, "layer", "symlog", decay=math.log(2))(torch.randn(5, 3))
    assert (found.mean() == 0).all()
    neighbour = symexp(make_bins("symlog")[126:127]).expand(5)
    torch.testing.assert_close(found.log_prob(torch.zeros(5)), torch.full((5,), -math.log(3)))
    torch.testing.assert_close(found.log_prob(neighbour), torch.full((5,), -math.log(6)), atol=1e-4, rtol=0)


def test_several_targets_share_one_reading():
    """Their log-likelihoods are added, also of what is picked from a distribution that was read before."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, 255, generator=generator, requires_grad=True)
    near, far = (torch.randn(6, 3, generator=generator) * size for size in (1.0, 40.0))
    distribution = TwoHot(logits, make_bins("symexp"), "symexp")
    with torch.no_grad():
        distribution.log_prob(torch.zeros(6, 4))  # read without gradients: the next reading has them
    both = distribution[:, 1:].log_prob(near, far)
    alone = TwoHot(logits, make_bins("symexp"), "symexp")[:, 1:]
    torch.testing.assert_close(both, alone.log_prob(near) + alone.log_prob(far))
    gradients = [
        torch.autograd.grad(found.sum(), logits)[0]
        for found in (both, alone.log_prob(near) + alone.log_prob(far))
    ]
    torch.testing.assert_close(*gradients)
