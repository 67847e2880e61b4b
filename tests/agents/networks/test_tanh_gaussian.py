"""The squashed normal distribution: literal numbers, torch's own, and what float32 leaves of it near the bounds."""

import pytest
import torch
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from engram.agents.networks.tanh_gaussian import TanhGaussian


def uniform_of(z):
    """The noise that becomes these normal numbers."""
    return torch.special.ndtr(z)


def test_by_hand():
    mean, log_std, z = torch.tensor([[0.3, -1.2], [-0.5, 0.1], [0.7, -0.4]], dtype=torch.float64)
    action, log_prob = TanhGaussian(mean, log_std, (2,)).sample_with_log_prob(uniform_of(z))
    assert action.tolist() == pytest.approx([0.619732988, -0.92776116], abs=1e-9)
    assert log_prob.item() == pytest.approx(0.693161347108, abs=1e-11)


def test_the_density_near_the_bounds_is_right_in_float32():
    """Where 1 - tanh(8)² has no digit left; the slope's logarithm there is -14.613705864."""
    mean = torch.tensor([8.0], requires_grad=True)
    _, log_prob = TanhGaussian(mean, torch.zeros(1), (1,)).sample_with_log_prob(torch.tensor([0.5]))
    at_the_mean = -0.918938533
    assert log_prob.item() == pytest.approx(at_the_mean + 14.613705864, abs=1e-5)
    log_prob.backward()
    assert mean.grad.item() == pytest.approx(2.0, abs=1e-5)  # 2 tanh(u)


def test_it_equals_torchs_away_from_the_bounds():
    generator = torch.Generator().manual_seed(0)
    mean, log_std = torch.randn(2, 50, 3, generator=generator, dtype=torch.float64) * 0.3
    uniform = torch.rand(50, 3, generator=generator, dtype=torch.float64)
    ours = TanhGaussian(mean, log_std, (3,))
    action, log_prob = ours.sample_with_log_prob(uniform)
    normal = Independent(Normal(mean, log_std.exp()), 1)
    theirs = TransformedDistribution(normal, TanhTransform())
    torch.testing.assert_close(log_prob, theirs.log_prob(action), rtol=1e-6, atol=1e-6)
    assert torch.equal(ours.sample(uniform), action)


def test_samples_stay_within_the_bounds_and_gradients_finite():
    uniform = torch.tensor([2.0**-24, 0.5, 1 - 2.0**-24]).repeat(6).unsqueeze(-1)
    mean = (
        torch.tensor([-50.0, -1.0, 0.0, 1.0, 50.0, 0.0]).repeat_interleave(3).unsqueeze(-1).requires_grad_()
    )
    log_std = (
        torch.tensor([9.0, 0.0, -30.0, 2.0, 1.0, -5.0]).repeat_interleave(3).unsqueeze(-1).requires_grad_()
    )
    distribution = TanhGaussian(mean, log_std, (1,))
    action, log_prob = distribution.sample_with_log_prob(uniform)
    assert action.abs().max() <= 1 and log_prob.isfinite().all()
    (action.sum() + log_prob.sum()).backward()
    assert mean.grad.isfinite().all() and log_std.grad.isfinite().all()
    assert torch.equal(distribution.mode(), mean.tanh())


def test_an_action_has_the_shape_of_the_space():
    distribution = TanhGaussian(torch.zeros(5, 6), torch.zeros(5, 6), (2, 3))
    action, log_prob = distribution.sample_with_log_prob(torch.full((5, 6), 0.5))
    assert action.shape == distribution.mode().shape == (5, 2, 3) and log_prob.shape == (5,)
