"""Stable-baselines3's own evaluation of our agents beside ours."""

import functools
import math

import gymnasium
import gymnasium.spaces as gs
import numpy as np
import pytest
from player_cases import ACTIONS, SYMBOLS, make_agent

from engram import envs
from engram.agents import PPO
from engram.common.random import hash_to_int
from engram.envs import Driver, GymnasiumEnv, evaluate
from engram.memory_cores import GRU

REASON = "stable-baselines3 is not installed: pip install -e '.[benchmark]'"


@pytest.fixture
def evaluate_policy():
    evaluation = pytest.importorskip("stable_baselines3.common.evaluation", reason=REASON)
    return functools.partial(evaluation.evaluate_policy, return_episode_rewards=True, warn=False)


class SeededEpisodes(gymnasium.Wrapper):
    """Resets every episode with the seed that it has in our evaluation."""

    def __init__(self, env, seed, index):
        super().__init__(env)
        self._of_run, self._episode = (seed, "episode", index), -1

    def reset(self, *, seed=None, options=None):
        self._episode += 1
        return self.env.reset(seed=hash_to_int(*self._of_run, self._episode))


def train(env, updates):
    """A PPO agent that has learnt a little."""
    spaces = env.single_observation_space, env.single_action_space
    agent = PPO(*spaces, functools.partial(GRU, hidden_size=16), rollout_length=64, learning_rate=3e-3)
    driver = Driver(env, agent.carry_every)
    driver.start(0, agent.initial_carry(env.num_envs))
    for _ in range(updates):
        before = driver.env_steps
        agent.learn(driver.collect(agent.policy(before), agent.rollout_length), before)
    return agent


def ours(env, agent, episodes, deterministic):
    act = functools.partial(agent.act, deterministic=deterministic)
    return evaluate(env, act, agent.initial_carry(env.num_envs), episodes, seed=5)


@pytest.mark.parametrize("updates", [0, 2])
def test_cart_pole_episode_by_episode(evaluate_policy, updates):
    from stable_baselines3.common.vec_env import DummyVecEnv

    agent = train(GymnasiumEnv("CartPole-v1", 8), updates)
    expected = ours(GymnasiumEnv("CartPole-v1", 4), agent, 8, True)
    make = [functools.partial(SeededEpisodes, gymnasium.make("CartPole-v1"), 5, index) for index in range(4)]
    returns, lengths = evaluate_policy(agent.player().as_sb3(), DummyVecEnv(make), 8, deterministic=True)
    # It lists episodes by their ends, ours by environment.
    assert sorted(returns) == sorted(expected.returns) and sorted(lengths) == sorted(expected.lengths)
    assert len(set(returns)) > 1


@pytest.mark.parametrize("updates", [0, 2])
def test_repeat_previous_episode_by_episode(evaluate_policy, updates):
    from engram.envs.sb3_env import SB3VecEnv

    def make(num_envs):
        return envs.make_env("popgym/repeat_previous_easy", num_envs=num_envs)

    agent = train(make(8), updates)
    expected = ours(make(4), agent, 12, True)
    venv = SB3VecEnv(make(4), seed=5)
    returns, _ = evaluate_policy(agent.player().as_sb3(), venv, 12, deterministic=True)
    assert sorted(returns) == pytest.approx(sorted(expected.returns), abs=1e-5)
    assert len(set(returns)) > 1


def test_drawn_actions_within_two_standard_errors(evaluate_policy):
    from engram.envs.sb3_env import SB3VecEnv

    env = envs.make_env("popgym/repeat_previous_easy", num_envs=16)
    agent = train(env, 0)
    expected = ours(env, agent, 96, False)
    venv = SB3VecEnv(envs.make_env("popgym/repeat_previous_easy", num_envs=16), seed=6)
    returns, _ = evaluate_policy(agent.player().as_sb3(), venv, 96, deterministic=False)
    error = math.hypot(expected.standard_error, np.std(returns, ddof=1) / math.sqrt(96))
    assert abs(np.mean(returns) - expected.mean) < 2 * error


def test_one_environment_as_it_is(evaluate_policy):
    from stable_baselines3.common.env_util import make_vec_env

    agent = train(GymnasiumEnv("Pendulum-v1", 4), 0)
    returns, lengths = evaluate_policy(agent.player().as_sb3(), make_vec_env("Pendulum-v1", 1, seed=0), 2)
    assert lengths == [200, 200] and all(-2000 < value < 0 for value in returns)


@pytest.mark.parametrize("action", ["discrete", "bounded"])
def test_predict_is_a_function_of_its_state(action):
    agent = make_agent("ppo", SYMBOLS, ACTIONS[action])
    policy, player = agent.player().as_sb3(), agent.player(2)
    observations = np.array([[2, 3], [4, 5], [6, 2], [3, 3], [5, 4]])
    states, actions = [None], []
    for time, observation in enumerate(observations):
        starts = np.array([time == 0, time in (0, 3)])
        chosen, state = policy.predict(observation, states[-1], starts)
        np.testing.assert_array_equal(chosen, player.act(observation, is_first=starts))
        states.append(state)
        actions.append(chosen)
    again, _ = policy.predict(observations[2], states[2], np.array([False, False]))
    np.testing.assert_array_equal(again, actions[2])


def test_predict_without_flags_and_without_a_batch():
    agent = make_agent("ppo", SYMBOLS, ACTIONS["bounded"])
    policy, player = agent.player().as_sb3(), agent.player()
    state = None
    for observation in (2, 5, 3):
        action, state = policy.predict(observation, state)
        np.testing.assert_array_equal(action, player.act(observation))
        assert action.shape == (2, 1)
    first, _ = policy.predict(2)
    second, _ = policy.predict(2)
    assert (first != second).all()  # no two beginnings draw the same
    masked, _ = (
        make_agent("ppo", SYMBOLS, ACTIONS["discrete"])
        .player()
        .as_sb3()
        .predict(2, action_masks=[0, 1, 0, 0])
    )
    assert masked == 0


def test_a_tuple_comes_as_a_dict():
    space = gs.Tuple((SYMBOLS, gs.Box(-1, 1, (2,))))
    agent = make_agent("ppo", space, ACTIONS["bounded"])
    batch = np.array([2, 3]), np.array([[0.1, 0.2], [0.3, 0.4]])
    action, _ = agent.player().as_sb3().predict({"0": batch[0], "1": batch[1]})
    np.testing.assert_array_equal(action, agent.player(2).act(batch))


def test_what_predict_cannot_do():
    agent = make_agent("ppo", SYMBOLS, ACTIONS["bounded"], encoder={"previous_reward": True})
    with pytest.raises(ValueError, match=r"is given no rewards, .* play it with Player.act\."):
        agent.player().as_sb3()
    policy = make_agent("ppo", SYMBOLS, ACTIONS["bounded"]).player().as_sb3()
    _, state = policy.predict(np.array([2, 3]))
    with pytest.raises(ValueError, match=r"expected 3, but got a state of 2 and flags of shape \[3\]"):
        policy.predict(np.array([2, 3, 4]), state)
    with pytest.raises(ValueError, match=r"expected 2, but got a state of 2 and flags of shape \[1\]"):
        policy.predict(np.array([2, 3]), state, np.array([True]))
