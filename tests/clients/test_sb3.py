"""Every native under stable-baselines3 and sb3-contrib: their checks, episodes, and agents that learn."""

import gymnasium
import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
from client_ids import IDS, no_unexpected_warning
from native_ids import options

pytest.importorskip("sb3_contrib", reason="needs sb3-contrib: pip install -e '.[benchmark]'")
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecMonitor

from engram import envs
from engram.envs.sb3_env import SB3VecEnv

pytestmark = pytest.mark.slow


def make(id, num_envs, **more):
    return SB3VecEnv(envs.registered_natives()[id](num_envs=num_envs, **options(id)), **more)


@pytest.mark.parametrize("id", IDS)
def test_their_checker_finds_nothing(id):
    # What theirs does not know; `SB3VecEnv` has a Dict and a single dimension in its place.
    with no_unexpected_warning("The observation space is a Tuple", "uses a multidimensional array"):
        check_env(gymnasium.make(id, **options(id)))


@pytest.mark.parametrize("id", IDS)
def test_the_episodes_are_the_natives_own_and_begin_within_the_step(id):
    venv = make(id, 3, seed=5)
    alone = [envs.registered_natives()[id](num_envs=1, env_index_offset=i, **options(id)) for i in range(3)]
    obs, rows = venv.reset(), [env.reset(5) for env in alone]
    torch.manual_seed(0)
    venv.action_space.seed(0)
    ended = 0
    for _ in range(120):
        for index, row in enumerate(rows):
            assert_same(at(obs, index), row["obs"])
        actions = np.array([venv.action_space.sample() for _ in range(3)])
        obs, rewards, dones, infos = venv.step(actions)
        assert rewards.dtype == np.float32 and dones.dtype == bool and obs_contained(venv, obs)
        for index, env in enumerate(alone):
            action = torch.as_tensor(actions[index : index + 1])
            row = env.step(action, in_space=True)
            assert rewards[index] == row["reward"] and dones[index] == row["is_last"]
            assert infos[index]["TimeLimit.truncated"] == bool(row["is_last"] & ~row["is_terminal"])
            assert ("terminal_observation" in infos[index]) == dones[index]
            if dones[index]:
                assert_same(infos[index]["terminal_observation"], row["obs"])
                row = env.step(action, in_space=True)
                ended += 1
            rows[index] = row
    longer = ("Bandit", "Labyrinth", "Pendulum")
    assert ended or not id.endswith("Easy-v0") or any(name in id for name in longer)


def at(obs, index):
    return {key: part[index] for key, part in obs.items()} if isinstance(obs, dict) else obs[index]


def obs_contained(venv, obs):
    return all(venv.observation_space.contains(at(obs, index)) for index in range(venv.num_envs))


def assert_same(obs, of_row):
    if isinstance(obs, dict):
        for key, part in obs.items():
            assert_same(part, of_row[key])
    else:
        own = of_row[0].numpy()
        np.testing.assert_array_equal(obs, own.flatten() if obs.ndim == 1 else own)


def policy(venv, recurrent):
    kind = "MultiInput" if isinstance(venv.observation_space, gs.Dict) else "Mlp"
    kind = "Cnn" if len(venv.observation_space.shape or ()) == 3 else kind
    return kind + ("LstmPolicy" if recurrent else "Policy")


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("agent", [PPO, RecurrentPPO])
def test_their_agents_learn(id, agent):
    venv = VecMonitor(make(id, 4))
    parts = getattr(venv.observation_space, "spaces", {"": venv.observation_space}).values()
    if agent is RecurrentPPO and any(isinstance(part, gs.MultiDiscrete) for part in parts):
        pytest.xfail("sb3-contrib gives nn.LSTM a size of numpy's, for any MultiDiscrete observation")
    kwargs = {"lstm_hidden_size": 16} if agent is RecurrentPPO else {}
    model = agent(
        policy(venv, agent is RecurrentPPO),
        venv,
        n_steps=32,
        batch_size=64,
        n_epochs=1,
        seed=0,
        policy_kwargs=kwargs,
    )
    before = [parameter.clone() for parameter in model.policy.parameters()]
    model.learn(256)
    after = list(model.policy.parameters())
    assert all(torch.isfinite(parameter).all() for parameter in after)
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_ppo_solves_what_needs_no_memory():
    """Rewards, ends and observations belong together: the best return is 1 and chance 1/4."""
    venv = VecMonitor(SB3VecEnv(envs.RecallFirst(16, num_symbols=4, delay=0)))
    model = PPO("MlpPolicy", venv, n_steps=64, batch_size=256, learning_rate=3e-3, seed=0)
    model.learn(12_000)
    mean, _ = evaluate_policy(model, venv, n_eval_episodes=64)
    assert mean > 0.9


@pytest.mark.parametrize("id", IDS)
def test_make_vec_env(id):
    """It asks every environment for pictures, and makes those that draw none without."""
    venv = make_vec_env(id, 2, env_kwargs=options(id), seed=0)
    obs = venv.reset()
    assert len(next(iter(obs.values())) if isinstance(obs, dict) else obs) == 2
    venv.action_space.seed(0)
    for _ in range(5):
        venv.step(np.array([venv.action_space.sample() for _ in range(2)]))
    venv.close()


def test_seeds_resets_and_what_single_environments_cannot_do():
    venv = make("engram/popgym-MineSweeperEasy-v0", 2, render_mode="rgb_array")
    first = venv.reset()
    venv.step(np.zeros((2, 2), dtype=np.int64))
    state = venv.native.state["task"]["mines"].clone()
    assert np.array_equal(venv.reset(), first) and not torch.equal(venv.native.state["task"]["mines"], state)
    assert venv.native.state["episode"].tolist() == [1, 1]
    assert venv.seed(0) == [0, 1]
    venv.reset()
    assert torch.equal(venv.native.state["task"]["mines"], state)
    assert [image.shape for image in venv.get_images()] == [(404, 404, 3)] * 2
    assert [image.shape for image in venv.env_method("render", indices=1)] == [(404, 404, 3)]
    assert (
        venv.get_attr("name", 0) == ["popgym/mine_sweeper_easy"]
        and venv.env_is_wrapped(object) == [False] * 2
    )
    assert not venv.has_attr("action_masks")
    with pytest.raises(AttributeError, match="no single ones with a method 'action_masks'"):
        venv.env_method("action_masks")
    with pytest.raises(ValueError, match="name was to be set for 0 alone"):
        venv.set_attr("name", "x", 0)
    with pytest.raises(TypeError, match="has no pictures"):
        SB3VecEnv(envs.RecallFirst(2), render_mode="rgb_array")
