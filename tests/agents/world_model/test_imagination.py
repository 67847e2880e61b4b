"""Imagination: where it starts, what it does, and what actor and critic learn from it."""

import pytest
import torch
from gymnasium import spaces
from small_cores import ONE_OF_EACH_FAMILY
from world_model_cases import ACTIONS, make_agent, make_batch, make_rows, scramble

from engram.agents.world_model.dreamer import NOISES
from engram.agents.world_model.dynamics import Latent
from engram.agents.world_model.world_model import Imagined


def observe(agent, rows, **options):
    noise = torch.rand(len(rows), 12, 3, generator=torch.Generator().manual_seed(8))
    length = rows.batch_size[1]
    return agent.world_model.observe(rows, agent.initial_carry(len(rows)), noise[:, :length], **options)


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_it_starts_from_every_kth_row_and_goes_on_as_acting_would(name):
    agent = make_agent(name, actor_reads=("z",))
    scramble(agent.world_model)
    rows = make_rows(agent)
    with torch.no_grad():
        observed = observe(agent, rows, all_carries=4)
        imagined = agent._imagine(observed, masked=False, keys=agent.noise_keys(*NOISES))
    assert imagined.features.shape[:2] == (4 * 3, agent.settings.imagination_horizon + 1)
    starts = imagined.features[:, 0].view(4, 3, -1)
    torch.testing.assert_close(starts, observed.features[:, 3::4])
    # From the second start of the third environment, by hand: the same first step.
    with torch.no_grad():
        before = observe(agent, rows[:, :8])
        latent = Latent(before.h[2:3, -1], before.z[2:3, -1], before.core[2:3])
        noise = agent.noise("prior", agent.settings.imagination_horizon, 12, agent.settings.num_categoricals)
        index = 2 * 3 + 1
        step = agent.world_model.dynamics.imagine_step(
            latent, imagined.actions[index : index + 1, 0], noise[0, index : index + 1]
        )
    torch.testing.assert_close(step.features[0], imagined.features[index, 1], rtol=1e-4, atol=1e-5)


def test_a_real_step_and_an_imagined_one_share_the_memory():
    """Given the action that was taken, imagining one row reaches the very h that observing it does."""
    agent = make_agent("lstm", posterior="memory")
    scramble(agent.world_model)
    rows = make_rows(agent, starts=(0,))
    with torch.no_grad():
        observed, before = observe(agent, rows), observe(agent, rows[:, :-1])
        latent = Latent(before.h[:, -1], before.z[:, -1], before.core)
        step = agent.world_model.dynamics.imagine_step(latent, rows["prev_action"][:, -1], torch.rand(4, 3))
    torch.testing.assert_close(step.h, observed.h[:, -1])


def test_burn_in_rows_are_not_imagined_from():
    agent = make_agent("gru", burn_in=4, batch_length=8)
    imagined = agent._imagine(
        observe(agent, make_rows(agent), all_carries=4), masked=False, keys=agent.noise_keys(*NOISES)
    )
    assert len(imagined.features) == 4 * 2


class FixedModel:
    """A world model whose rewards and discounts of the states that are reached, 1 … H, are given."""

    def __init__(self, reward, discount):
        self._reward, self._discount = reward, discount

    def reward(self, features):
        return self._reward

    def discount(self, features):
        return self._discount


def imagined_of(agent, reads, actions):
    return Imagined(reads, actions, {"reads": reads})


def test_behavior_losses_by_hand():
    """Two steps of one trajectory with literal rewards; the policy is uniform over 3 and the critic says 0."""
    agent = make_agent(
        "gru", actor_scale=0.0, entropy_coef=0.5, gamma=0.5, gae_lambda=0.5, slow_critic_scale=0.0
    )
    reads = torch.randn(2, 3, agent.behavior.critic.head[0][0].in_features)
    model = FixedModel(torch.tensor([[1.0, 2.0], [9.0, 9.0]]), torch.tensor([[0.5, 0.0], [9.0, 9.0]]))
    actions = torch.zeros(2, 2, dtype=torch.int64)
    mask = torch.tensor([True, False])
    losses, returns, measured = agent.behavior.losses(
        model, imagined_of(agent, reads, actions), torch.ones(2), mask
    )
    # R_1 = 2, R_0 = 1 + 0.5 (0.5 · 0 + 0.5 · 2) = 1.5; weights 1 and 0.5; scale 1; log π = -ln 3, entropy ln 3.
    log_3 = torch.tensor(3.0).log()
    torch.testing.assert_close(returns[0], torch.tensor([1.5, 2.0]))
    expected = -((-log_3 * 1.5 + 0.5 * log_3) + 0.5 * (-log_3 * 2.0 + 0.5 * log_3)) / 2
    torch.testing.assert_close(losses["actor"], expected)
    torch.testing.assert_close(losses["critic"], (1 + 0.5) / 2 * torch.tensor(255.0).log())
    assert measured["return_scale"] == 1.0


def test_a_terminal_start_counts_for_nothing():
    agent = make_agent("gru")
    reads = torch.randn(2, 3, agent.behavior.critic.head[0][0].in_features)
    model = FixedModel(torch.ones(2, 2), torch.ones(2, 2))
    actions = torch.zeros(2, 2, dtype=torch.int64)
    losses, _, _ = agent.behavior.losses(
        model, imagined_of(agent, reads, actions), torch.zeros(2), torch.ones(2, dtype=torch.bool)
    )
    assert losses["actor"] == 0 and losses["critic"] == 0


def test_the_actor_learns_to_take_the_action_that_pays():
    """REINFORCE on literal rewards: action 0 pays 1, the others nothing."""
    agent = make_agent("gru", actor_learning_rate=1e-2, entropy_coef=0.0)
    reads = torch.randn(64, 2, agent.behavior.critic.head[0][0].in_features)
    for number in range(40):
        policy = agent.behavior.actor(reads[:, :1])
        noise = torch.rand(64, 1, 3, generator=torch.Generator().manual_seed(number))
        actions = policy.sample(noise)
        model = FixedModel((actions == 0).float(), torch.zeros(64, 1))
        losses, _, _ = agent.behavior.losses(
            model, imagined_of(agent, reads, actions), torch.ones(64), torch.ones(64, dtype=torch.bool)
        )
        agent.optimizer.zero_grad()
        losses["actor"].backward()
        agent.optimizer.step()
    assert agent.behavior.actor(reads).log_probs.exp()[..., 0].mean() > 0.8


def test_gradients_through_the_model_reach_the_actor_alone():
    agent = make_agent("gru", action=ACTIONS["box"], actor_gradient="dynamics", entropy_coef=0.0)
    scramble(agent.world_model)
    scramble(agent.behavior.critic)
    scramble(agent.behavior.actor)
    batch = make_batch(agent)
    imagined = agent._imagine(
        observe(agent, batch.rows, all_carries=4), masked=False, keys=agent.noise_keys(*NOISES)
    )
    mask = torch.ones(12, dtype=torch.bool)
    losses, _, _ = agent.behavior.losses(agent.world_model, imagined, torch.ones(12), mask)
    agent._backward(losses)
    assert all(parameter.grad is None for parameter in agent.world_model.parameters())
    assert any((parameter.grad != 0).any() for parameter in agent.behavior.actor.parameters())


def test_masks_hold_in_imagination():
    """Rows with masks teach which actions are allowed, and imagined policies keep to it."""
    agent = make_agent("gru")
    rows = make_rows(agent)
    rows["action_mask"] = torch.tensor([True, False, True]).expand(4, 12, 3).clone()
    rows["action"] = torch.where(rows["action"] == 1, 0, rows["action"])
    batch = make_batch(agent, rows)
    for _ in range(3):
        metrics = agent.update(batch, 0)
    assert "action_mask" in metrics
    with torch.no_grad():
        agent.world_model.mask_head[-1].bias.copy_(torch.tensor([50.0, -50.0, 50.0]))
        imagined = agent._imagine(
            observe(agent, rows, all_carries=4), masked=True, keys=agent.noise_keys(*NOISES)
        )
    assert set(imagined.actions.unique().tolist()) == {0, 2}
    assert "action_mask" not in agent.update(make_batch(agent), 0)
    # However sure the head is that nothing is allowed, something is.
    with torch.no_grad():
        agent.world_model.mask_head[-1].bias.fill_(-50.0)
        assert agent.world_model.allowed_actions(torch.randn(5, agent.world_model.feature_size)).any(-1).all()


def test_replay_targets_close_with_imagined_returns_and_stop_at_ends():
    """λ = 1, γ = 1, critic 0 everywhere: each target is the sum of rewards to the next imagined return or end."""
    agent = make_agent(
        "gru", loss_scales={"replay_critic": 1.0}, gae_lambda=0.5, gamma=1.0, slow_critic_scale=0.0
    )
    seen = []

    def record(prediction, reads, target):
        seen.append(target)
        return torch.zeros_like(target)

    agent.behavior._critic_loss = record
    rows = make_rows(agent, batch=1, starts=(0, 7))
    rows["is_terminal"] = rows["is_last"]
    rows["reward"] = torch.arange(12.0).view(1, 12) * ~rows["is_first"]
    returns = torch.tensor([[100.0, 200.0, 300.0]])  # of the rows 3, 7, 11
    observed = observe(agent, rows, all_carries=4)
    agent.behavior.replay_loss(
        agent.world_model, rows, observed, returns, torch.ones(1, 12, dtype=torch.bool)
    )
    target = seen[0][0]
    torch.testing.assert_close(target[5], torch.tensor(6.0))  # the terminal row 6 pays 6, and ends it
    torch.testing.assert_close(target[4], torch.tensor(5 + 0.5 * 6.0))
    torch.testing.assert_close(target[10], torch.tensor(11 + 300.0))
    torch.testing.assert_close(target[2], torch.tensor(3 + 0.5 * 100 + 0.5 * target[3].item()))


def test_imagined_masks_allow_an_option_of_every_part():
    agent = make_agent("gru", action=spaces.MultiDiscrete([2, 3]))
    model = agent.world_model
    with torch.no_grad():
        model.mask_head[-1].bias.copy_(torch.tensor([50.0, 50.0, -50.0, -50.0, -50.0]))
        allowed = model.allowed_actions(torch.randn(5, model.feature_size))
    assert allowed[:, :2].all() and allowed[:, 2:].sum(-1).tolist() == [1] * 5
