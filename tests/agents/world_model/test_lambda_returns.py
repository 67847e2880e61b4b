"""λ-returns and the scale of returns: literal numbers and TorchRL's function as oracle."""

import pytest
import torch
from torchrl.objectives.value.functional import td_lambda_return_estimate

from engram.agents.returns import generalized_advantages, lambda_returns
from engram.agents.world_model.return_scale import ReturnScale

GAMMA = 1 - 1 / 333


def test_golden_lambda_returns():
    returns = lambda_returns(
        torch.tensor([[1.0, 0.0, 2.0]]),
        torch.full((1, 3), GAMMA),
        torch.tensor([[1.0, 1.5, 2.0]]),  # V_0 = 0.5 has no part in it
        gae_lambda=0.95,
    )
    torch.testing.assert_close(returns, torch.tensor([[4.703636, 3.857675, 3.993994]]), rtol=0, atol=1e-6)


def random_rows(seed=0, batch=6, length=20):
    generator = torch.Generator().manual_seed(seed)
    reward, value = (
        torch.randn(batch, length + 1, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    is_last = torch.rand(batch, length + 1, generator=generator) < 0.2
    return reward, value, is_last, is_last & (torch.rand(is_last.shape, generator=generator) < 0.5)


@pytest.mark.parametrize("gae_lambda", [0.0, 0.95, 1.0])
def test_torchrl_agrees_with_ends_of_both_kinds(gae_lambda):
    reward, value, is_last, is_terminal = random_rows()
    discount = torch.where(is_terminal, 0.0, GAMMA).double()
    ours = lambda_returns(reward[:, 1:], discount[:, 1:], value[:, 1:], is_last[:, 1:], gae_lambda=gae_lambda)
    theirs = td_lambda_return_estimate(
        GAMMA,
        gae_lambda,
        value[:, 1:, None],
        reward[:, 1:, None],
        is_last[:, 1:, None],
        is_terminal[:, 1:, None],
    )
    torch.testing.assert_close(ours, theirs.squeeze(-1))


def test_they_are_advantages_plus_values():
    reward, value, is_last, is_terminal = random_rows(1)
    discount = torch.where(is_terminal, 0.0, 0.99).double()
    returns = lambda_returns(reward[:, 1:], discount[:, 1:], value[:, 1:], is_last[:, 1:], gae_lambda=0.9)
    advantages = generalized_advantages(
        value[:, :-1],
        reward[:, 1:],
        is_last[:, 1:],
        is_terminal[:, 1:],
        value[:, 1:],
        gamma=0.99,
        gae_lambda=0.9,
    )
    torch.testing.assert_close(returns, advantages + value[:, :-1])


def test_gradients_reach_rewards_discounts_and_values():
    arguments = [torch.rand(2, 4, dtype=torch.float64).requires_grad_() for _ in range(3)]
    assert torch.autograd.gradcheck(lambda *x: lambda_returns(*x, gae_lambda=0.9), arguments)


def test_percentile_scale_by_hand():
    """Returns 0 … 100 have percentiles 5 and 95; 10 … 110 have 15 and 105."""
    scale = ReturnScale(rate=0.1)
    everything = torch.ones(101, dtype=torch.bool)
    assert scale.scale() == 1.0  # before any
    scale.update(torch.arange(101.0), everything)
    assert scale.scale().item() == pytest.approx(90.0)
    # Twice as wide: (0.9 · 0.1 · 90 + 0.1 · 180) / 0.19.
    scale.update(torch.arange(101.0) * 2, everything)
    assert scale.scale().item() == pytest.approx((0.09 * 90 + 0.1 * 180) / 0.19)


def test_percentile_scale_ignores_small_ranges_and_masked_returns():
    scale = ReturnScale(rate=0.5)
    returns, mask = torch.arange(101.0) / 200, torch.ones(101, dtype=torch.bool)
    returns[50:], mask[50:] = 1e9, False
    scale.update(returns, mask)
    assert scale.scale() == 1.0
    assert scale.high.item() < 0.25
    before = scale.high.clone()
    scale.update(returns, torch.zeros_like(mask))  # nothing counts
    assert torch.isfinite(scale.high) and scale.high <= before
