"""Whitened features: equal variances, no correlation, and a faint direction that a head finds."""

import torch
from world_model_cases import make_agent, make_batch

from agents.world_model.whitening import Whitening


def correlated(generator, num_rows=512):
    """Five features with deviations from 0.1 to 10 and a mean, mixed."""
    mixing = torch.randn(5, 5, generator=torch.Generator().manual_seed(1))
    loud = torch.tensor([10.0, 3.0, 1.0, 0.3, 0.1])
    return (torch.randn(num_rows, 5, generator=generator) * loud) @ mixing + 4


def test_what_was_seen_becomes_white():
    generator = torch.Generator().manual_seed(0)
    whitening = Whitening(5, rate=0.1, floor=1e-6)
    for _ in range(50):
        features = correlated(generator)
        whitening.update(features, torch.ones(len(features), dtype=torch.bool))
    white = whitening(correlated(generator, 20_000))
    torch.testing.assert_close(white.mean(0), torch.zeros(5), atol=0.05, rtol=0)
    torch.testing.assert_close(white.mT.cov(), torch.eye(5), atol=0.1, rtol=0)


def test_two_numbers_by_hand():
    """Mean 2, variance 4 + 5, so that 5 is one deviation above; the moving average has forgotten its zeros."""
    whitening = Whitening(1, floor=5.0)
    features = torch.tensor([[0.0], [4.0], [float("nan")]])
    whitening.update(features, torch.tensor([True, True, False]))
    torch.testing.assert_close(whitening(torch.tensor([[5.0], [2.0]])), torch.tensor([[1.0], [0.0]]))


def test_without_rows_nothing_changes():
    whitening = Whitening(3)
    features = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    whitening.update(features, torch.zeros(4, dtype=torch.bool))
    torch.testing.assert_close(whitening(features), features)


def test_a_head_finds_a_faint_direction_only_when_it_is_whitened():
    """Logistic regression of the sign of a feature of deviation 0.03 that hides beneath one of deviation 3."""
    right = {}
    for whiten in (False, True):
        generator = torch.Generator().manual_seed(0)
        whitening, weight = Whitening(2, floor=1e-6), torch.zeros(2, requires_grad=True)
        optimizer = torch.optim.Adam([weight], lr=1e-2)
        for _ in range(200):
            faint = torch.randn(128, generator=generator)
            loud = 3 * torch.randn(128, generator=generator)
            features = torch.stack([loud, loud + 0.03 * faint], -1)
            if whiten:
                whitening.update(features, torch.ones(128, dtype=torch.bool))
            logit = whitening(features) @ weight
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, (faint > 0).float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right[whiten] = ((logit > 0) == (faint > 0)).float().mean().item()
    assert right[False] < 0.7
    assert right[True] > 0.9


def test_an_agent_updates_it_and_stores_it():
    agent, other = make_agent("gru", whiten=True), make_agent("gru", whiten=True, seed=1)
    batch = make_batch(agent)
    for _ in range(3):
        metrics = agent.update(batch, 0)
    assert agent.world_model.whitening.weight > 0
    assert all(value == value for value in metrics.values())
    other.load_state_dict(agent.state_dict())
    features = torch.randn(4, agent.world_model.feature_size)
    torch.testing.assert_close(other.world_model.reward(features), agent.world_model.reward(features))
