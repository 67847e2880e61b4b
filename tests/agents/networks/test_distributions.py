"""Action distributions against torch's own and against sampling."""

import math

import pytest
import torch
from gymnasium import spaces

from engram.agents.networks.distributions import (
    Categorical,
    DiagonalGaussian,
    MultiCategorical,
    make_distribution,
    num_policy_outputs,
)
from engram.common.streams import environment_keys, stream_uniform


def noise(num_samples, count):
    keys = environment_keys(7, num_samples, 0, torch.device("cpu"))
    return stream_uniform(keys, torch.zeros(num_samples, dtype=torch.int64), count)


def test_categorical_equals_torch():
    logits, other = torch.randn(5, 4), torch.randn(5, 4)
    action = torch.tensor([0, 1, 2, 3, 0])
    ours, theirs = Categorical(logits), torch.distributions.Categorical(logits=logits)
    torch.testing.assert_close(ours.log_prob(action), theirs.log_prob(action))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    expected = torch.distributions.kl_divergence(theirs, torch.distributions.Categorical(logits=other))
    torch.testing.assert_close(ours.kl_divergence(Categorical(other)), expected)
    torch.testing.assert_close(ours.rebuild(ours.parameters).log_probs, ours.log_probs)


def test_categorical_samples_have_its_probabilities():
    logits = torch.tensor([0.0, 1.0, -1.0])
    samples = Categorical(logits.expand(100_000, 3)).sample(noise(100_000, 3))
    frequencies = torch.bincount(samples, minlength=3) / 100_000
    # 5 standard errors of a frequency.
    torch.testing.assert_close(frequencies, logits.softmax(0), rtol=0, atol=5 * 0.5 / math.sqrt(100_000))


def test_masked_actions_are_impossible_and_harmless():
    logits = torch.randn(1000, 4, requires_grad=True)
    mask = torch.tensor([True, False, True, False]).expand(1000, 4)
    distribution = Categorical(logits, mask)
    samples = distribution.sample(noise(1000, 4))
    assert set(samples.tolist()) == {0, 2}
    entropy = distribution.entropy()
    reference = torch.distributions.Categorical(logits=logits[:, [0, 2]]).entropy()
    torch.testing.assert_close(entropy, reference)
    (distribution.log_prob(samples) + entropy + distribution.kl_divergence(distribution)).sum().backward()
    assert logits.grad.isfinite().all()
    assert (logits.grad[:, [1, 3]] == 0).all()
    assert (logits.grad[:, [0, 2]] != 0).any()


def test_multi_categorical_is_a_product():
    logits = torch.randn(6, 5)
    joint = MultiCategorical(logits, (2, 3))
    parts = [Categorical(logits[:, :2]), Categorical(logits[:, 2:])]
    action = joint.sample(noise(6, 5))
    assert action.shape == (6, 2)
    expected = parts[0].log_prob(action[:, 0]) + parts[1].log_prob(action[:, 1])
    torch.testing.assert_close(joint.log_prob(action), expected)
    torch.testing.assert_close(joint.entropy(), parts[0].entropy() + parts[1].entropy())
    torch.testing.assert_close(joint.kl_divergence(joint), torch.zeros(6))


def test_multi_categorical_masks_each_component():
    mask = torch.tensor([True, False, False, True, True]).expand(500, 5)
    samples = MultiCategorical(torch.zeros(500, 5), (2, 3), mask).sample(noise(500, 5))
    assert set(samples[:, 0].tolist()) == {0} and set(samples[:, 1].tolist()) == {1, 2}


def test_gaussian_equals_torch():
    mean, log_std = torch.randn(7, 6), torch.randn(6)
    ours = DiagonalGaussian(mean, log_std, (2, 3))
    theirs = torch.distributions.Normal(mean, log_std.exp().expand(7, 6))
    action = torch.randn(7, 2, 3)
    torch.testing.assert_close(ours.log_prob(action), theirs.log_prob(action.reshape(7, 6)).sum(-1))
    torch.testing.assert_close(ours.entropy(), theirs.entropy().sum(-1))
    other = torch.distributions.Normal(mean + 1, torch.ones(7, 6))
    expected = torch.distributions.kl_divergence(theirs, other).sum(-1)
    torch.testing.assert_close(
        ours.kl_divergence(DiagonalGaussian(mean + 1, torch.zeros(6), (2, 3))), expected
    )


def test_gaussian_samples_have_its_moments():
    distribution = DiagonalGaussian(torch.full((100_000, 1), 2.0), torch.tensor([math.log(3.0)]), (1,))
    samples = distribution.sample(noise(100_000, 1))
    assert abs(samples.mean() - 2.0) < 5 * 3 / math.sqrt(100_000)
    assert abs(samples.std() - 3.0) < 0.05
    assert samples.isfinite().all()


@pytest.mark.parametrize(
    ("space", "outputs", "action_shape"),
    [
        (spaces.Discrete(5), 5, (3,)),
        (spaces.MultiDiscrete([2, 4]), 6, (3, 2)),
        (spaces.Box(-1, 1, (2, 2)), 4, (3, 2, 2)),
    ],
)
def test_every_action_space_has_its_distribution(space, outputs, action_shape):
    assert num_policy_outputs(space) == outputs
    distribution = make_distribution(space, torch.zeros(3, outputs), torch.zeros(outputs), None)
    action = distribution.sample(noise(3, outputs))
    assert action.shape == action_shape == distribution.mode().shape
    assert distribution.log_prob(action).shape == (3,)


def test_unsupported_action_space_is_one_sentence():
    with pytest.raises(ValueError, match=r"Discrete, MultiDiscrete .* but it is MultiBinary\(3\)"):
        num_policy_outputs(spaces.MultiBinary(3))
