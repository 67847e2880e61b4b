"""IMPALA, A2C and PQN: what their sequences, targets and choices are, and that they learn what they are taught."""

import functools
import math
import statistics

import pytest
import torch
from on_policy_cases import make
from ppo_cases import collect
from recorders import Again, assert_same_state, run_plainly
from small_cores import FAMILIES, make_small

from engram import envs, memory_cores
from engram.agents.exploration import annealed, epsilon_greedy
from engram.agents.networks.q_network import QNetwork, best_value
from engram.agents.on_policy.sequences import sequences_with_next
from engram.agents.returns import generalized_advantages, lambda_returns

KINDS = ["impala", "a2c", "pqn"]


def recall(num_envs=5, delay=5):
    return envs.RecallFirst(num_envs=num_envs, delay=delay)


@pytest.mark.parametrize("length", [30, 10])
def test_sequences_hold_the_row_behind_them(length):
    env = recall()
    rollout = collect(make("impala", env, bptt_length=length), env)
    batch = sequences_with_next(rollout, length)
    rows, pieces = batch["rows"], 30 // length
    assert rows.batch_size == (5 * pieces, length + 1) and batch["carry"].batch_size == (5 * pieces,)
    for key in ("reward", "obs", "is_first"):
        cut = rows[key].unflatten(0, (5, pieces))
        assert torch.equal(cut[:, :, :length].flatten(1, 2), rollout.rows[key])
        assert torch.equal(cut[:, :-1, length], cut[:, 1:, 0])
        assert torch.equal(cut[:, -1, length], rollout.pending[key])
    assert torch.equal(rows["mask"][:, :-1], ~rows["is_last"][:, :-1]) and not rows["mask"][:, -1].any()


@pytest.mark.parametrize("core", FAMILIES)
@pytest.mark.parametrize("kind", ["impala", "pqn"])
def test_learning_recomputes_what_acting_saw(kind, core):
    """The standing check for leaks, over rows in which episodes end everywhere; of values for want of probabilities."""
    env = recall()
    agent = make(kind, env, make_small(core))
    rollout = collect(agent, env)
    if kind == "impala":
        assert agent.update(rollout, 0)["initial_log_prob_difference"] < 2e-5
        return
    batch, carry = sequences_with_next(rollout, 30), rollout.carries[:, 0]
    with torch.no_grad():
        values = agent.network(batch["rows"], batch["carry"])
        for t in range(31):
            expected, carry = agent.network.step(batch["rows"][:, t], carry)
            torch.testing.assert_close(values[:, t], expected, rtol=1e-4, atol=1e-5)


def test_the_first_step_of_impala_is_a2cs():
    env = recall()
    first, other = make("impala", env), make("a2c", env)
    rollout = collect(first, env)
    for agent in (first, other):
        agent.update(rollout, 0)
    for one, two in zip(first.network.parameters(), other.network.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_a2c_is_taught_gae_with_lambda_one():
    env = recall()
    agent = make("a2c", env)
    rows = sequences_with_next(collect(agent, env), 30)["rows"]
    values = torch.randn(rows.batch_size)
    found = agent._targets(rows, values, torch.rand(5, 30))
    expected = generalized_advantages(
        values[:, :-1],
        rows["reward"][:, 1:],
        rows["is_last"][:, 1:],
        rows["is_terminal"][:, 1:],
        values[:, 1:],
        gamma=0.99,
        gae_lambda=1.0,
    )
    mask = rows["mask"][:, :-1]
    torch.testing.assert_close(found.advantage[mask], expected[mask], rtol=1e-4, atol=1e-5)


def test_pqn_is_taught_lambda_returns_of_the_best_values():
    env = recall()
    agent = make("pqn", env, gae_lambda=0.5)
    rows = sequences_with_next(collect(agent, env), 30)["rows"]
    values = torch.randn(*rows.batch_size, 4)
    poisoned = torch.where(rows["is_terminal"].unsqueeze(-1), math.nan, values)
    expected = lambda_returns(
        rows["reward"][:, 1:],
        0.99 * (~rows["is_terminal"][:, 1:]).float(),
        values.amax(-1)[:, 1:],
        rows["is_last"][:, 1:],
        gae_lambda=0.5,
    )
    assert rows["is_terminal"].any()
    torch.testing.assert_close(agent._targets(rows, poisoned), expected)


def test_epsilon_greedy_tries_what_is_allowed():
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(20_000, 2, generator=generator)
    values = torch.tensor([1.0, 5.0, 3.0, 2.0]).expand(20_000, 4)
    mask = torch.tensor([True, False, True, True]).expand(20_000, 4)
    for allowed, best, shares in (
        (None, 1, [0.1, 0.7, 0.1, 0.1]),
        (mask, 2, [0.4 / 3, 0, 0.6 + 0.4 / 3, 0.4 / 3]),
    ):
        chosen = epsilon_greedy(values, allowed, 0.4, uniform)
        found = torch.bincount(chosen, minlength=4) / len(chosen)
        torch.testing.assert_close(found, torch.tensor(shares), rtol=0, atol=0.015)
        assert (epsilon_greedy(values, allowed, 0.0, uniform) == best).all()
    each = epsilon_greedy(values[:2], None, torch.tensor([0.0, 1.0]), torch.tensor([[0.5, 0.9], [0.5, 0.9]]))
    assert each.tolist() == [1, 3]
    nothing = torch.zeros(1, 4, dtype=torch.bool)
    assert epsilon_greedy(values[:1], nothing, 0.0, uniform[:1]).item() == 1
    assert 0 <= epsilon_greedy(values[:1], nothing, 1.0, uniform[:1]).item() < 4
    assert best_value(values[:1], nothing).item() == 5 and best_value(values[:1], mask[:1]).item() == 3


def test_epsilon_falls_by_environment_steps():
    found = [annealed(1.0, 0.2, progress, 0.5) for progress in (0, 0.25, 0.5, 1)]
    assert found == pytest.approx([1.0, 0.6, 0.2, 0.2], abs=1e-12) and found[2:] == [0.2, 0.2]
    assert annealed(1.0, 0.2, 0.0, 0.0) == 0.2
    agent = make("pqn", recall(), total_env_steps=1000, epsilon_fraction=0.1, epsilon_end=0.1)
    agent.policy(50)
    assert float(agent._epsilon) == pytest.approx(0.55)


def test_dueling_takes_the_mean_of_what_is_allowed():
    env = recall()
    network = make("pqn", env, network={"dueling": True}).network
    rows = collect(make("pqn", env), env).rows
    mask = torch.rand(5, 30, 4) < 0.6
    mask[..., 0] = True
    values = network(rows.clone().set("action_mask", mask), network.initial_carry(5))
    free = network(rows, network.initial_carry(5))
    # What differs is one number for each row, the same for all actions.
    torch.testing.assert_close((values - free).std(-1), torch.zeros(5, 30), rtol=0, atol=1e-5)
    advantage = values - (values * mask).sum(-1, keepdim=True) / mask.sum(-1, keepdim=True)
    torch.testing.assert_close((advantage * mask).sum(-1), torch.zeros(5, 30), rtol=0, atol=1e-5)


def test_values_need_discrete_actions():
    env = envs.make_env("popgym/position_only_pendulum_easy", 2)
    with pytest.raises(ValueError, match="need a Discrete action space, but got Box"):
        QNetwork(env.single_observation_space, env.single_action_space, make_small("gru"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_recorded_update_learns_the_same(kind):
    """With Adam: torch's RAdam cannot be asked on a CPU to step as in a recording."""
    options = {"num_minibatches": 3, "num_epochs": 2, "optimizer": "adam"}
    options |= {"learning_rate_schedule": "linear", "total_env_steps": 2000}
    env, again = recall(), Again()
    plain, captured = (make(kind, env, **options) for _ in range(2))
    run_plainly(plain)
    captured.capture_updates(again)
    driver = envs.Driver(env, plain.carry_every)
    driver.start(0, plain.initial_carry(5))
    for _ in range(5):
        steps = driver.env_steps
        rollout = driver.collect(plain.policy(steps), 30)
        assert captured.update(rollout, steps) == plain.update(rollout, steps)
    assert_same_state(captured, plain)
    assert again.replayed > 0


def test_ratios_say_how_far_the_policy_has_moved():
    env = recall()
    agent = make("impala", env, num_epochs=4, learning_rate=3e-2)
    metrics = agent.update(collect(agent, env), 0)
    assert metrics["mean_ratio"] != pytest.approx(1.0, abs=1e-4) and 0 < metrics["rho_clipped"] < 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("core", ["gru", "mlp"])
def test_learns_to_recall_if_it_remembers(kind, core):
    env = recall(num_envs=32, delay=4)
    core = functools.partial(memory_cores.GRU, hidden_size=32) if core == "gru" else make_small("mlp")
    options = {"num_epochs": 4, "num_minibatches": 4, "total_env_steps": 100_000, "gamma": 0.5}
    options |= {"learning_rate": 3e-3} | ({"num_epochs": 1} if kind == "a2c" else {})
    agent = make(kind, env, core, **options)
    driver = envs.Driver(env, agent.carry_every)
    driver.start(0, agent.initial_carry(32))
    best = -1.0
    while driver.env_steps < 100_000 and best < 0.9:
        rollout = driver.collect(agent.policy(driver.env_steps), agent.rollout_length)
        agent.update(rollout, driver.env_steps)
        best = max(best, statistics.fmean(rollout.episodes["episodic_return"]))
    assert (
        best >= 0.9 if isinstance(core, functools.partial) and core.func is memory_cores.GRU else best < 0.3
    )
