"""Small agents of every kind in any spaces, and their players beside rows as training makes them."""

import copy
from functools import partial

import gymnasium
import gymnasium.spaces as gs
import numpy as np
import torch
from gymnasium.vector import SyncVectorEnv
from small_cores import make_small
from tensordict import TensorDict

from engram import agents
from engram.agents import ActorCritic, Encoder, QNetwork, SoftActorCritic
from engram.common.actions import action_layout
from engram.common.rows import select
from engram.envs.spaces import observation_converter

WORLD = {"units": 8, "num_layers": 1, "num_categoricals": 3, "num_classes": 4, "image_depth": 2}
WORLD |= {"memory_size": 6, "batch_size": 2, "batch_length": 8, "imagination_horizon": 3, "imagine_every": 4}
FROM_REPLAY = {"batch_length": 8, "burn_in": 2, "replay": {"store_carry_every": 4}}
KINDS = {
    "ppo": (agents.PPO, ActorCritic, {}),
    "impala": (agents.IMPALA, ActorCritic, {}),
    "a2c": (agents.IMPALA, ActorCritic, {"correction": "none"}),
    "pqn": (agents.PQN, QNetwork, {}),
    "r2d2": (agents.R2D2, QNetwork, FROM_REPLAY),
    "sac": (agents.SAC, SoftActorCritic, FROM_REPLAY),
    "r2i": (agents.Dreamer, None, {**WORLD, "posterior": "observation"}),
    "dreamerv3": (agents.Dreamer, None, {**WORLD, "posterior": "memory"}),
}
ACTIONS = {
    "discrete": gs.Discrete(4, start=-1),
    "multi": gs.MultiDiscrete([2, 3]),
    "half_open": gs.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, np.inf], np.float32)),
    "bounded": gs.Box(-2.0, 3.0, (2, 1), np.float64),
}
ACTS_IN = dict.fromkeys(KINDS, ("discrete", "multi", "half_open", "bounded"))
ACTS_IN |= {"pqn": ("discrete",), "r2d2": ("discrete",), "sac": ("discrete", "bounded")}
CASES = [(kind, action) for kind in KINDS for action in ACTS_IN[kind]]

SYMBOLS = gs.Discrete(5, start=2)
IMAGE = gs.Box(0, 255, (16, 16, 3), np.uint8)
OBSERVATIONS = {
    "symbols": SYMBOLS,
    "vector": gs.Box(-np.inf, np.inf, (3,), np.float64),
    "whole": gs.Box(-3, 9, (2, 2), np.int16),
    "bytes": gs.Box(0, 255, (4,), np.uint8),
    "image": IMAGE,
    "several": gs.MultiDiscrete([2, 3], start=[1, -4]),
    "bits": gs.MultiBinary(4),
    "tuple": gs.Tuple((SYMBOLS, gs.Box(-1, 1, ()))),
    "dict": gs.Dict({"image": IMAGE, "pair": gs.Tuple((SYMBOLS, gs.Dict({"deep": gs.MultiBinary([2, 2])})))}),
}


def make_agent(kind, observation_space, action_space, core="gru", network=None, encoder=None, **options):
    """An agent of a few units whose first choices are far from alike, so that a leak of memory shows."""
    make, make_network, settings = KINDS[kind]
    options = {"seed": 3, "precision": "float32", "rollout_length": 8, **settings, **options}
    if make_network is None:
        return make(observation_space, action_space, make_small(core), **options)
    gain = {"value_gain": 2.0} if make_network is QNetwork else {"policy_gain": 2.0}
    make_encoder = partial(
        Encoder, **{"hidden_sizes": (8,), "image_depth": 2, "image_features": 4} | (encoder or {})
    )
    heads = {"head_hidden_sizes": (8,), "make_encoder": make_encoder, **gain, **(network or {})}
    options["make_network"] = partial(make_network, **heads)
    return make(observation_space, action_space, make_small(core), **options)


class Rows:
    """What an agent does on rows as training makes them of the same observations.

    Args:
        agent: who acts.
        num_envs: number of environments.
    """

    def __init__(self, agent, num_envs):
        self.agent, self.carry = agent, agent.initial_carry(num_envs)
        self.convert = observation_converter(agent.observation_space, num_envs, torch.device("cpu"))
        shape, dtype = action_layout(agent.action_space)
        self.action = torch.zeros(num_envs, *shape, dtype=dtype)

    def act(self, observation, reward, is_first, deterministic, mask=None):
        first = torch.as_tensor(is_first)
        row = {
            "obs": self.convert(observation),
            "reward": torch.where(first, 0.0, torch.as_tensor(reward, dtype=torch.float32)),
            "prev_action": select(first, torch.zeros_like(self.action), self.action),
            "is_first": first,
        }
        if mask is not None:
            row["action_mask"] = torch.as_tensor(mask)
        made = TensorDict(row, batch_size=first.shape)
        self.action, self.carry, _ = self.agent.act(made, self.carry, deterministic)
        return self.agent.to_env(self.action)


class Samples(gymnasium.Env):
    """Shows samples of a space, and pays by the action; episodes last 4 to 9 actions."""

    def __init__(self, space, action_space):
        self.observation_space, self.action_space = copy.deepcopy(space), action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        self.left = int(self.np_random.integers(4, 10))
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.left -= 1
        return self.observation_space.sample(), float(np.sum(action)), self.left == 0, False, {}


def play_beside_rows(agent, num_envs=3, count=30, deterministic=False):
    """Play in a vector, and hold every action against that of rows; returns the actions."""
    spaces = agent.observation_space, agent.action_space
    vector = SyncVectorEnv([partial(Samples, *spaces)] * num_envs)
    player, rows = agent.player(num_envs), Rows(agent, num_envs)
    observation, _ = vector.reset(seed=0)
    reward, actions = np.zeros(num_envs), []
    is_first, is_last = np.ones(num_envs, np.bool_), np.zeros(num_envs, np.bool_)
    for _ in range(count):
        action = player.act(observation, reward, deterministic=deterministic, is_first=is_first)
        expected = rows.act(observation, reward, is_first, deterministic)
        assert action.dtype == expected.dtype == agent.action_space.dtype
        np.testing.assert_array_equal(action, expected)
        actions.append(action)
        observation, reward, terminated, truncated, _ = vector.step(action)
        is_first, is_last = (
            is_last,
            terminated | truncated,
        )  # the row behind an episode's last one begins the next
    return np.stack(actions)
