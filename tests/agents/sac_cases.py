"""Small SAC agents, and windows for them."""

import functools

import torch
from ppo_cases import collect

from engram import envs, memory_cores
from engram.agents import SAC, Encoder, SoftActorCritic
from engram.agents.replay import Batch
from engram.envs.popgym.pendulum import PositionOnlyPendulum

GRU = functools.partial(memory_cores.GRU, hidden_size=8)


def recall():
    return envs.RecallFirst(num_envs=4, delay=5)


def pendulum():
    return PositionOnlyPendulum(num_envs=4, max_episode_length=12)


ENVS = {"discrete": recall, "box": pendulum}


def make_sac(env, core=GRU, **options):
    """An agent of a few units whose first choices are far from alike."""
    network = functools.partial(
        SoftActorCritic,
        make_encoder=functools.partial(Encoder, hidden_sizes=(8,), **options.pop("encoder", {})),
        **{"head_hidden_sizes": (8,), "policy_gain": 2.0} | options.pop("network", {}),
    )
    settings = {"rollout_length": 30, "batch_length": 20, "burn_in": 10, "precision": "float32"}
    settings |= {"replay": {"store_carry_every": 10}} | options
    return SAC(env.single_observation_space, env.single_action_space, core, make_network=network, **settings)


def window(agent, env):
    """A rollout as if a replay had given it."""
    rollout = collect(agent, env)
    rows = rollout.rows.clone().set("is_cut", torch.zeros_like(rollout.rows["is_last"]))
    is_trained = torch.ones_like(rows["is_last"])
    is_trained[:, : agent.settings.burn_in] = False
    return Batch(rows, rollout.carries[:, 0], is_trained)


def losses(agent, batch, noise_seed=0):
    """The agent's losses on a batch, and the noise of its policy there."""
    generator = torch.Generator().manual_seed(noise_seed)
    noise = torch.rand(*batch.rows.batch_size, agent.num_uniforms, generator=generator).clamp(1e-6, 1 - 1e-6)
    return agent.losses(batch.rows, batch.carry, batch.is_trained, noise)[0], noise
