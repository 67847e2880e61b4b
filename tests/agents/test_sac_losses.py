"""SAC: values, targets and temperature by hand, and whose gradient goes where."""

import math

import pytest
import torch
from gymnasium import spaces
from sac_cases import ENVS, losses, make_sac, pendulum, recall, window
from tensordict import TensorDict

from engram.agents.networks.distributions import Categorical
from engram.agents.sac import SACSettings
from engram.agents.sac.soft_policy import EnumeratedPolicy
from engram.agents.sac.temperature import Temperature

LOGITS = torch.tensor([[0.2, -0.1, 0.5], [1.0, 0.0, -1.0]], dtype=torch.float64)
TWINS = torch.tensor([[[1, 2, 0], [0.5, -0.5, 1]], [[0.8, 2.5, 0.3], [0.6, -0.2, 0.7]]], dtype=torch.float64)


def read(values, *_):
    """A critic whose heads say what they are shown."""
    return values


def test_discrete_values_by_hand():
    policy = EnumeratedPolicy(Categorical(LOGITS))
    assert policy.entropy.tolist() == pytest.approx([1.069272969, 0.832395582], abs=1e-9)
    value = policy.value(read, TWINS) + 0.2 * policy.entropy
    assert value.tolist() == pytest.approx([0.952086515, 0.439756760], abs=1e-9)
    taken, own = policy.evaluate(read, TWINS, torch.tensor([1, 2]))
    assert taken.tolist() == [[2.0, 1.0], [2.5, 0.7]]
    assert torch.equal(own, policy.value(read, TWINS))


def test_targets_by_hand():
    """The value of a terminal row counts for nothing."""
    agent = make_sac(recall(), gamma=0.99)
    ends = torch.tensor([[False, False, True]])
    rows = TensorDict(
        {
            "reward": torch.tensor([[7.0, 1.0, -1.0]], dtype=torch.float64),
            "is_last": ends,
            "is_terminal": ends,
            "is_cut": ~ends & False,
        },
        batch_size=[1, 3],
    )
    value = torch.tensor([[3.0, 0.952086515, math.nan]], dtype=torch.float64)
    assert agent.targets(rows, value)[0].tolist() == pytest.approx([1.94256565, -1.0], abs=1e-8)
    doubled = make_sac(recall(), gamma=0.99, reward_scale=2.0).targets(rows, value)
    assert doubled[0].tolist() == pytest.approx([2.94256565, -2.0], abs=1e-8)


def stream(**changes):
    """Eight rows: row 3 is truncated, row 6 terminal."""
    flags = {"is_last": [3, 6], "is_terminal": [6], "is_cut": []} | changes
    rows = {key: torch.isin(torch.arange(8), torch.tensor(at)).unsqueeze(0) for key, at in flags.items()}
    reward = torch.tensor([[0.0, 1, 0, 2, 0, -1, 3, 0]], dtype=torch.float64)
    return TensorDict({"reward": reward, **rows}, batch_size=[1, 8])


VALUE = torch.tensor([[0.5, 1, -0.5, 2, 0.25, 1.5, 77, 4]], dtype=torch.float64)
ACTED = [0, 1, 2, 4, 5]


@pytest.mark.parametrize("num_steps", [1, 3])
def test_no_target_reaches_past_an_end(num_steps):
    agent = make_sac(recall(), gamma=0.9, num_steps=num_steps)
    found = agent.targets(stream(), VALUE)
    expected = {1: [1.9, -0.45, 3.8, 0.35, 3.0], 3: [4.078, 3.42, 3.8, 1.7, 3.0]}
    assert found[0, ACTED].tolist() == pytest.approx(expected[num_steps], abs=1e-12)
    spoilt = VALUE.clone()
    spoilt[0, 6] = torch.nan
    assert torch.equal(agent.targets(stream(), spoilt)[0, ACTED], found[0, ACTED])
    first = agent.targets(stream()[:, :4], VALUE[:, :4])
    assert torch.equal(first, found[:, :3])
    assert torch.equal(agent.targets(stream()[:, 4:7], VALUE[:, 4:7]), found[:, 4:6])
    later = stream()
    later["reward"][:, 4:] += 100
    assert torch.equal(agent.targets(later, VALUE + 9 * (torch.arange(8) > 3))[:, :3], found[:, :3])
    cut = stream(is_last=[6], is_cut=[3])  # closes with its own value, as a truncated row does
    assert torch.equal(agent.targets(cut, VALUE)[0, ACTED], found[0, ACTED])


def temperature(space, **options):
    return Temperature(space, SACSettings(**options)).double()


def test_the_temperature_by_hand():
    """It grows where the entropy is too small: its gradient is α times what is missing."""
    entropy = EnumeratedPolicy(Categorical(LOGITS)).entropy
    alpha = temperature(spaces.Discrete(3), initial_temperature=0.2, target_entropy_share=0.98)
    assert alpha.target_entropy(None) == pytest.approx(1.076640043)
    alpha.loss(entropy, None, torch.tensor([True, True])).backward()
    assert alpha.log.grad.item() == pytest.approx(-0.025161154, abs=1e-8)
    mask = torch.tensor([[True, True, False], [True, False, False], [False, False, False]])
    shares = [0.98 * math.log(count) for count in (2, 1, 3)]
    assert alpha.target_entropy(mask).tolist() == pytest.approx(shares)
    box = spaces.Box(-1, 1, (2, 3))
    assert temperature(box).target_entropy(None) == -6
    assert temperature(box, target_entropy=-1.5).target_entropy(None) == -1.5


def test_the_temperature_is_limited_and_may_be_fixed():
    env = recall()
    agent = make_sac(
        env,
        target_entropy=100.0,
        max_temperature=1.05,
        temperature_learning_rate=0.1,
        initial_temperature=1.0,
    )
    batch = window(agent, env)
    found = [agent.update(batch, 0)["temperature"] for _ in range(3)]
    assert found == pytest.approx([1.0, 1.05, 1.05])
    fixed = make_sac(env, learn_temperature=False, initial_temperature=0.1)
    assert [fixed.update(batch, 0)["temperature"] for _ in range(2)] == pytest.approx([0.1, 0.1])


PARTS = {
    "actor": lambda agent: [agent.network.policy_head, agent.network.actor],
    "critic": lambda agent: [agent.network.critic],
    "temperature_loss": lambda agent: [agent.temperature],
}


@pytest.mark.parametrize("kind", ENVS)
@pytest.mark.parametrize("separate", [True, False])
def test_every_loss_teaches_its_own_part_alone(kind, separate):
    """What the actor is taught leaves no gradient in the critic or its core, be it the actor's too."""
    env = ENVS[kind]()
    agent = make_sac(env, network={"separate_critic_core": separate})
    found, _ = losses(agent, window(agent, env))
    parameters = {
        loss: [one for module in parts(agent) if module is not None for one in module.parameters()]
        for loss, parts in PARTS.items()
    }
    everything = [*agent.network.parameters(), *agent.temperature.parameters()]
    assert len(everything) == sum(map(len, parameters.values()))
    for loss, own in parameters.items():
        for one in everything:
            one.grad = None
        found[loss].backward(retain_graph=True)
        assert all(one.grad is not None and one.grad.abs().max() > 0 for one in own), loss
        others = {id(one) for one in everything} - {id(one) for one in own}
        rest = [one.grad for one in everything if id(one) in others]
        assert all(grad is None or not grad.any() for grad in rest), loss
    assert all(one.grad is None for one in agent.target_critic.parameters())


def test_the_actor_goes_where_the_smaller_value_and_the_entropy_are():
    """Its loss is what its values and entropies say, on rows that count."""
    env = pendulum()
    agent = make_sac(env, burn_in=0, batch_length=30, initial_temperature=0.3)
    batch = window(agent, env)
    found, noise = losses(agent, batch)
    network, rows = agent.network, batch.rows
    seen = network.critic.features(rows, batch.carry["critic"])
    policy = network.policy(network.actor.features(rows, batch.carry), None)
    action, log_prob = policy.sample_with_log_prob(noise)
    value = network.critic.values(seen, action).amin(0)
    counts = ~rows["is_last"][:, :-1]
    expected = (0.3 * log_prob - value)[:, :-1][counts].mean()
    torch.testing.assert_close(found["actor"], expected)


def test_forbidden_actions_are_neither_taken_nor_valued():
    values = TWINS.float().requires_grad_()
    mask = torch.tensor([[True, False, True], [True, True, True]])
    logits = LOGITS.float().requires_grad_()
    policy = EnumeratedPolicy(Categorical(logits, mask))
    with torch.no_grad():
        allowed = EnumeratedPolicy(Categorical(LOGITS[:1, [0, 2]])).value(read, TWINS[:, :1, [0, 2]])
    assert policy.value(read, TWINS.float())[0].item() == pytest.approx(allowed.item(), rel=1e-6)
    loss = -(policy.evaluate(read, values * 1e9, torch.tensor([0, 1]))[1] + 1e9 * policy.entropy).sum()
    loss.backward()
    assert logits.grad.isfinite().all() and logits.grad[0, 1] == 0
