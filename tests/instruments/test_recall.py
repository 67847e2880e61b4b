"""Behavioural recall: an agent with a wiped memory, against the agent itself, and what is read off curves."""

import math

import pytest
import torch
from small_cores import make_small

from engram import envs
from engram.agents import PPO
from engram.analysis.statistics import mean_of_episodes
from engram.envs import EvaluationResult
from engram.instruments.recall import ForgetfulPolicy, RecallPoint, half_distance_of, point_of, reach_of
from engram.instruments.recall_finding import find_recall


def play(env, act, carry, num_rows=14):
    """Rows, and the actions that were taken in them."""
    row, rows, actions = env.reset(3), [], []
    for _ in range(num_rows):
        action, carry, _ = act(row, carry)
        rows.append(row.clone())
        actions.append(action)
        row = env.step(action)
    return rows, torch.stack(actions, dim=1)


def agent_and_env():
    env = envs.RecallFirst(num_envs=3, delay=4)
    agent = PPO(env.single_observation_space, env.single_action_space, make_small("gru"), seed=2)
    with torch.no_grad():  # so that what is remembered is acted on
        agent.network.policy_head[-1].weight.mul_(100)
    return agent, env


@pytest.mark.parametrize("deterministic", [True, False])
def test_who_keeps_a_whole_episode_acts_as_the_agent(deterministic):
    agent, env = agent_and_env()
    carry = agent.initial_carry(3, seed=7)
    _, expected = play(env, lambda row, carry: agent.act(row, carry, deterministic), carry)
    policy = ForgetfulPolicy(agent, 6, seed=7, deterministic=deterministic)
    _, found = play(env, policy, policy.initial_carry(3))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("num_rows", [1, 3])
def test_who_keeps_few_rows_acts_by_these_alone(num_rows):
    agent, env = agent_and_env()
    policy = ForgetfulPolicy(agent, num_rows)
    rows, actions = play(env, policy, policy.initial_carry(3))
    differs = False
    whole = agent.initial_carry(3)
    for t in range(len(rows)):
        memory = agent.initial_carry(3)
        for row in rows[max(0, t - num_rows + 1) : t + 1]:
            action, memory, _ = agent.act(row, memory, deterministic=True)
        assert torch.equal(actions[:, t], action)
        best, whole, _ = agent.act(rows[t], whole, deterministic=True)
        differs |= not torch.equal(best, action)
    assert differs


def test_the_carry_that_is_given_stays_as_it_is():
    agent, env = agent_and_env()
    policy = ForgetfulPolicy(agent, 2)
    _, carry, _ = policy(env.reset(0), policy.initial_carry(3))
    before = carry.clone()
    policy(env.pending_row(), carry)
    assert all(torch.equal(carry[key], value) for key, value in before.items(True, True))


def test_intervals_of_successes_are_wilsons():
    found = mean_of_episodes([1.0] * 8 + [0.0] * 2)
    assert found.value == 0.8
    assert (float(found.low), float(found.high)) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    alone = mean_of_episodes([0.0])
    assert alone.value == 0 and float(alone.low) == pytest.approx(0, abs=1e-9) and float(alone.high) > 0.7


def test_intervals_of_returns_are_the_bootstraps():
    values = [0.5, 1.5, 2.5, 3.5, 4.5, 2.0, 3.0, 1.0]
    found = mean_of_episodes(values)
    assert found.value == sum(values) / 8
    error = math.sqrt(sum((value - found.value) ** 2 for value in values)) / 8
    assert float(found.high - found.low) == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert mean_of_episodes([0.3]).low is None


def point(distance, mean, low, chance=0.25):
    return RecallPoint(distance, mean, low, 1.0, chance, 10)


def test_reach_and_half_distance_by_hand():
    points = [point(2, 1.0, 0.9), point(4, 0.85, 0.7), point(8, 0.45, 0.3), point(16, 0.25, 0.2)]
    assert reach_of(points) == 8
    # All is 0.75 above chance; half of it, 0.375, lies between 0.6 and 0.2, nine sixteenths of the way.
    assert half_distance_of(points) == pytest.approx(4 + 4 * (0.6 - 0.375) / 0.4)
    assert half_distance_of([point(1, 0.2, 0.1), *points]) == half_distance_of(points)
    assert (
        half_distance_of(points[:2]) is None
        and half_distance_of([]) is None
        and half_distance_of([point(2, 0.2, 0.1)]) is None
    )
    assert reach_of([point(2, 0.3, 0.2), point(None, 1.0, 0.9)]) is None


def test_points_take_success_where_there_is_one():
    episodes = {"episodic_return": [1.0, -1.0], "episodic_length": [3, 3], "success_rate": [1.0, 0.0]}
    chance = EvaluationResult({**episodes, "success_rate": [0.0, 0.0]})
    found = point_of(4, EvaluationResult(episodes), chance)
    assert (found.distance, found.mean, found.chance, found.episodes) == (4, 0.5, 0.0, 2)
    bare = {name: values for name, values in episodes.items() if name != "success_rate"}
    assert point_of(None, EvaluationResult(bare), EvaluationResult(bare)).mean == 0.0


def test_what_is_said():
    kept = [point(1, 0.3, 0.2), point(4, 0.9, 0.8), point(None, 0.95, 0.9)]
    delays = [point(2, 1.0, 0.9), point(4, 0.3, 0.2)]
    found = find_recall(kept, "success_rate", "delay", 2, delays)
    assert "last 1 rows 0.300, last 4 rows 0.900" in found.sentences[0]
    assert found.sentences[1] == "Most is gained, 0.600, from 1 rows to 4."
    assert found.sentences[2] == "Above chance up to delay = 2 (trained at 2)."
    assert [row["beyond_training"] for row in found.table] == [False, True]
    assert [row["rows_kept"] for row in found.more_tables["recall_kept"]] == [1, 4, None]
