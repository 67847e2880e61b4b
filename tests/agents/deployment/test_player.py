"""A player does what its agent does on the rows of training, in every space, and remembers what it should."""

from functools import partial

import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
from player_cases import ACTIONS, CASES, KINDS, OBSERVATIONS, SYMBOLS, Samples, make_agent, play_beside_rows
from small_cores import ONE_OF_EACH_FAMILY

from engram.agents.deployment import Player
from engram.common.checked import OptionError


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("kind, action", CASES)
def test_every_agent_acts_as_in_training(kind, action, deterministic):
    agent = make_agent(kind, SYMBOLS, ACTIONS[action])
    actions = play_beside_rows(agent, deterministic=deterministic)
    assert len(np.unique(actions)) > 1 or (
        deterministic and actions.dtype == np.int64
    )  # they show a difference


@pytest.mark.parametrize("name", OBSERVATIONS)
@pytest.mark.parametrize("kind", ["ppo", "dreamerv3"])
def test_every_observation_is_read_as_in_training(kind, name):
    play_beside_rows(make_agent(kind, OBSERVATIONS[name], ACTIONS["discrete"]), count=12)


@pytest.mark.parametrize("core", ONE_OF_EACH_FAMILY)
def test_every_core_remembers(core):
    play_beside_rows(make_agent("ppo", SYMBOLS, ACTIONS["multi"], core, encoder={"previous_reward": True}))


@pytest.mark.parametrize("kind", KINDS)
def test_one_environment_with_and_without_a_batch(kind):
    agent = make_agent(kind, SYMBOLS, ACTIONS["discrete"])
    alone, batched = agent.player(), agent.player(num_envs=1)
    for time in range(20):
        observation = 2 + time % 5
        if time == 7:
            alone.reset()
        action = alone.act(observation)
        of_batch = batched.act(np.array([observation]), is_first=time == 7)
        assert isinstance(action, np.int64) and agent.action_space.contains(action)
        assert of_batch.shape == (1,) and of_batch[0] == action


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_what_a_single_environment_gives_and_takes(name):
    env = Samples(OBSERVATIONS[name], ACTIONS["bounded"])
    agent = make_agent("ppo", env.observation_space, env.action_space)
    player = agent.player()
    observation, _ = env.reset(seed=0)
    for _ in range(20):
        action = player.act(observation)
        assert action.shape == (2, 1) and action.dtype == np.float64
        observation, _, terminated, _, _ = env.step(action)  # which holds it against the space
        if terminated:
            observation, _ = env.reset()
            player.reset()


def test_memory_is_kept_and_forgotten():
    agent = make_agent("ppo", SYMBOLS, ACTIONS["bounded"])
    player, other = agent.player(2), agent.player(2)
    first = player.act([2, 2], deterministic=True)
    player.act([3, 4], deterministic=True)
    later = player.act([2, 2], deterministic=True)
    assert (first[0] == first[1]).all() and (later != first).any(axis=(1, 2)).all()
    player.reset([True, False])
    again = player.act([2, 2], deterministic=True)
    np.testing.assert_array_equal(again[0], first[0])
    assert (again[1] != first[1]).any()
    player.reset()
    np.testing.assert_array_equal(player.act([2, 2], deterministic=True), first)
    np.testing.assert_array_equal(other.act([2, 2], deterministic=True), first)  # players share nothing


def test_draws_go_on_and_have_a_seed():
    agent = make_agent("ppo", SYMBOLS, ACTIONS["bounded"])
    players = [agent.player(), agent.player(), agent.player(seed=1)]
    draws = np.array([[player.act(2, is_first=True) for _ in range(3)] for player in players])
    assert (draws[0] == draws[1]).all() and (draws[0] != draws[2]).all()
    assert (draws[0, 0] != draws[0, 1]).all() and (draws[0, 1] != draws[0, 2]).all()


def test_a_player_plays_with_what_its_agent_has_learnt():
    agent = make_agent("ppo", SYMBOLS, ACTIONS["bounded"])
    player = agent.player()
    before = player.act(2, deterministic=True)
    with torch.no_grad():
        agent.network.policy_head[-1].bias.add_(0.5)
    player.reset()
    np.testing.assert_allclose(player.act(2, deterministic=True), before + 0.5 * 2.5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_forbid(kind):
    agent = make_agent(kind, SYMBOLS, ACTIONS["discrete"])
    player = agent.player(3)
    for time in range(20):
        mask = np.eye(4, dtype=np.int8)[[time % 4, 3, 0]]
        assert player.act([2, 3, 4], action_mask=mask).tolist() == [time % 4 - 1, 2, -1]


def test_masks_of_parts_and_of_one():
    agent = make_agent("ppo", SYMBOLS, ACTIONS["multi"])
    parts = (np.array([0, 1]), np.array([1, 0, 0]))
    for mask in (
        parts,
        list(parts),
        [0, 1, 1, 0, 0],
        [[False, True, True, False, False]],
        torch.tensor([0, 1, 1, 0, 0]),
    ):
        assert agent.player().act(2, action_mask=mask).tolist() == [1, 0]
    batched = tuple(np.stack([part, part[::-1]]) for part in parts)
    assert agent.player(2).act([2, 2], action_mask=batched).tolist() == [[1, 0], [0, 2]]


def test_an_observations_own_mask_counts_as_in_training():
    space = gs.Dict({"action_mask": gs.MultiBinary(4), "symbol": SYMBOLS})
    agent = make_agent("ppo", space, ACTIONS["discrete"])
    player = agent.player()
    for action in (0, 3, 1, 2):
        observation = {"symbol": 2, "action_mask": np.eye(4, dtype=np.int8)[action]}
        assert player.act(observation) == action - 1
    assert player.act(observation, action_mask=[0, 1, 0, 0]) == 0


def test_rewards_are_read_by_those_who_read_them():
    agent = make_agent("ppo", SYMBOLS, ACTIONS["bounded"], encoder={"previous_reward": True})
    assert agent.reads_reward and not make_agent("ppo", SYMBOLS, ACTIONS["bounded"]).reads_reward
    act = partial(agent.player().act, 2, deterministic=True)
    first = act()  # where an episode begins there is none
    np.testing.assert_array_equal(agent.player().act(2, 7.0, deterministic=True), first)
    with pytest.raises(ValueError, match=r"reads the reward .*, but was given none; give act the reward"):
        act()
    players = [agent.player() for _ in range(3)]
    for player in players:
        player.act(2, deterministic=True)
    told = [
        player.act(2, reward, deterministic=True)
        for player, reward in zip(players, (1, 1.0, -1.0), strict=True)
    ]
    assert (told[0] == told[1]).all() and (told[0] != told[2]).any()


@pytest.mark.parametrize("num_envs", [0, -1, 1.5, "two", None])
def test_a_wrong_number_of_environments(num_envs):
    agent = make_agent("ppo", SYMBOLS, ACTIONS["discrete"])
    with pytest.raises(OptionError, match="num_envs of Player must be"):
        Player(agent, num_envs)
