"""The learning rates of all optimisers of every kind of agent, as its schedule has them."""

import pytest
import torch
from deployment.player_cases import ACTIONS, IMAGE, KINDS, make_agent


@pytest.mark.parametrize("captured", [False, True], ids=["plain", "captured"])
@pytest.mark.parametrize("kind", KINDS)
def test_all_rates_fall_to_zero_at_the_horizon(kind, captured, monkeypatch):
    options = {"learning_rate_schedule": "linear", "total_env_steps": 1000, "learning_rate": 0.1}
    agent = make_agent(kind, IMAGE, ACTIONS["discrete"], **options)
    monkeypatch.setattr(agent, "learn_from", lambda experience, env_steps: {})
    groups = [group for optimizer in agent.optimizers.values() for group in optimizer.param_groups]
    first = [group["lr"] for group in groups]
    assert 0.1 in first
    if captured:
        agent.capture_updates()
        assert all(isinstance(group["lr"], torch.Tensor) for group in groups) == bool(agent.captured_updates)
    for env_steps, share in {0: 1.0, 750: 0.25, 1000: 0.0, 2000: 0.0, 500: 0.5}.items():
        assert agent.update(None, env_steps)["optim/learning_rate"] == pytest.approx(0.1 * share)
        assert [float(group["lr"]) for group in groups] == pytest.approx([rate * share for rate in first])


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_rate_stays(kind, monkeypatch):
    agent = make_agent(kind, IMAGE, ACTIONS["discrete"], learning_rate=0.1, learning_rate_schedule="constant")
    monkeypatch.setattr(agent, "learn_from", lambda experience, env_steps: {})
    assert agent.update(None, 10**9)["optim/learning_rate"] == 0.1


def test_a_world_models_rates_rise_first():
    options = {"learning_rate_schedule": "linear", "total_env_steps": 1000, "warmup_updates": 4}
    agent = make_agent("r2i", IMAGE, ACTIONS["discrete"], learning_rate=0.1, **options)
    agent.learn_from = lambda batch, env_steps: {}
    rates = [agent.update(None, 500)["optim/learning_rate"] for _ in range(5)]
    assert rates == pytest.approx([0.0125, 0.025, 0.0375, 0.05, 0.05])


def test_an_agents_own_rate_is_logged_as_it_is():
    agent = make_agent("ppo", IMAGE, ACTIONS["discrete"])
    agent.learn_from = lambda rollout, env_steps: {"optim/learning_rate": 7.0}
    assert agent.update(None, 0) == {"optim/learning_rate": 7.0}
