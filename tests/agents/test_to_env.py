"""A loaded agent gives actions that its environment takes, as in the environments it learnt in."""

import json
from dataclasses import asdict
from functools import partial

import gymnasium
import gymnasium.spaces as gs
import numpy as np
import pytest
import torch
import yaml
from tensordict import TensorDict

from engram import agents
from engram.agents.stored.spaces import spaces_text
from engram.agents.world_model.policy import Policy
from engram.envs import BoxActions
from engram.memory_cores import GRU
from engram.run_files.checkpoint import save_checkpoint
from engram.run_files.manifest import adopt_texts
from engram.run_files.progress import Progress
from engram.run_files.run_folder import checkpoint_path, read_config

# What a checkpoint says of a run that has only begun.
BEGUN = {"driver": {"env_steps": 0}, "progress": asdict(Progress())}

TORQUES = gs.Box(-2.0, 2.0, (1,), np.float32)
OBSERVATIONS = gs.Box(-8.0, 8.0, (3,), np.float32)
PENDULUM = {
    "_target_": "engram.envs.make_env",
    "name": "popgym/position_only_pendulum_easy",
    "action": "auto",
}


def store(run_dir, action_space=TORQUES, box_action="auto", env=None):
    """Write the folder of a run as training does, without training."""
    agent = agents.PPO(OBSERVATIONS, action_space, partial(GRU, hidden_size=4))
    agent.box_action = box_action
    description = {
        "agent": {"_target_": "engram.agents.PPO", "_partial_": True},
        "core": {"_target_": "engram.memory_cores.GRU", "_partial_": True, "hidden_size": 4},
        "env": env or PENDULUM,
        "seed": 0,
        "schedule_env_steps": 1,
    }
    (run_dir / "config.yaml").write_text(yaml.safe_dump(description))
    (run_dir / "spaces.json").write_text(spaces_text(agent))
    adopt_texts(run_dir)
    checkpoint_path(run_dir, "best").parent.mkdir()
    save_checkpoint(checkpoint_path(run_dir, "best"), {"agent": agent.state_dict(), **BEGUN})


@pytest.mark.parametrize("mode, expected", [("auto", [[-2], [1], [2]]), ("clip", [[-1], [0.5], [2]])])
def test_a_loaded_agent_acts_as_where_it_learnt(tmp_path, mode, expected):
    store(tmp_path, box_action=mode)
    agent = agents.load(tmp_path)
    given = agent.to_env(torch.tensor([[-1.0], [0.5], [7.0]]))
    assert given.tolist() == expected and given.dtype == np.float32


@pytest.mark.parametrize("seed", [0, 1])
def test_a_loaded_agent_plays_a_gymnasium_environment(tmp_path, seed):
    store(tmp_path)
    agent, env = agents.load(tmp_path), gymnasium.make("Pendulum-v1")
    observation, _ = env.reset(seed=seed)
    carry, reward, is_first = agent.initial_carry(1, seed=seed), 0.0, True
    previous = torch.zeros(1, 1)
    for _ in range(20):
        row = {
            "obs": torch.as_tensor(observation)[None],
            "reward": torch.tensor([reward]),
            "prev_action": previous,
            "is_first": torch.tensor([is_first]),
        }
        action, carry, _ = agent.act(TensorDict(row, [1]), carry)
        given = agent.to_env(action)[0]
        assert env.action_space.contains(given)
        observation, reward, *_ = env.step(given)
        previous, is_first = action, False


@pytest.mark.parametrize(
    "space, action, expected",
    [
        (gs.Discrete(3, start=5, dtype=np.int32), torch.tensor([0, 2]), [5, 7]),
        (gs.MultiDiscrete([2, 3], np.int32, start=[1, -4]), torch.tensor([[1, 0]]), [[2, -4]]),
    ],
)
def test_discrete_actions_are_counted_from_the_start(tmp_path, space, action, expected):
    store(tmp_path, space)
    agent = agents.load(tmp_path)
    given = agent.to_env(action)
    assert given.tolist() == expected and given.dtype == np.int32
    assert all(agent.action_space.contains(one) for one in given)


def without_box_action(run_dir):
    """Make the folder one of before the way was stored."""
    path = run_dir / "spaces.json"
    description = json.loads(path.read_text())
    del description["box_action"]
    path.write_text(json.dumps(description))
    adopt_texts(run_dir, [path.name])


@pytest.mark.parametrize(
    "env, expected",
    [
        ({**PENDULUM, "action": None}, 0.5),  # clipping was the default
        ({"_target_": "engram.envs.GymnasiumEnv", "id": "Pendulum-v1", "action": "rescale"}, 1.0),
        ({"_target_": "engram.envs.GymnasiumEnv", "id": "Pendulum-v1", "action": "clip"}, 0.5),
        ({"_target_": "my_package.MyEnv"}, 0.5),
    ],
)
def test_an_old_run_acts_as_it_was_trained(tmp_path, env, expected):
    store(tmp_path, env=env)
    without_box_action(tmp_path)
    assert agents.load(tmp_path).to_env(torch.tensor([[0.5]])).tolist() == [[expected]]


@pytest.mark.parametrize(
    "name, action, expected",
    [
        ("popgym/position_only_pendulum_easy", None, "clip"),
        ("noisy_position_only_pendulum", None, "clip"),
        ("popgym/position_only_pendulum_easy", "rescale", "rescale"),
        ("repeat_previous_easy", None, "auto"),  # which is what a new run says: there is nothing to convert
    ],
)
def test_an_old_run_goes_on_as_it_was_trained(tmp_path, name, action, expected):
    store(tmp_path, env={**PENDULUM, "name": name, "action": action})
    assert read_config(tmp_path)["env"]["action"] == expected


def test_a_damaged_word_is_named(tmp_path):
    store(tmp_path, box_action="squash")
    with pytest.raises(ValueError, match=r"box_action of auto, clip, rescale, but that of .* 'squash'"):
        agents.load(tmp_path)


@pytest.mark.parametrize("low, high", [(0.0, 800.0), (100.0, 200.0), (0.0, 0.001)])
def test_a_world_models_policy_reaches_the_bounds(low, high, monkeypatch):
    space = gs.Box(low, high, (1,), np.float32)
    policy = Policy(space, 2, 4, 1, "rms", 0.01, 1.0)
    to_env = BoxActions(space)
    for sign, bound in ((-1.0, low), (1.0, high)):
        monkeypatch.setattr(
            policy.head, "forward", lambda features, sign=sign: torch.full((1, 2), 20.0 * sign)
        )
        assert to_env(policy(torch.zeros(1, 2)).mode().numpy()).tolist() == [[np.float32(bound)]]
