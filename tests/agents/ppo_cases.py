"""Small PPO agents, their rollouts, and the standing test's figure."""

import functools

import torch

from engram import envs, memory_cores
from engram.agents import PPO, ActorCritic, Encoder

GRU = functools.partial(memory_cores.GRU, hidden_size=8)


def make_agent(env, core=GRU, **options):
    network = functools.partial(
        ActorCritic,
        head_hidden_sizes=(8,),
        # A first policy far from uniform, so that a leak of memory shows in the log-probabilities.
        policy_gain=2.0,
        separate_critic_core=options.pop("separate_critic_core", False),
        shortcut=options.pop("shortcut", False),
        make_encoder=functools.partial(Encoder, hidden_sizes=(8,), **options.pop("encoder", {})),
    )
    settings = {"rollout_length": 30, "num_epochs": 1, "num_minibatches": 1, "precision": "float32"}
    settings |= options
    return PPO(env.single_observation_space, env.single_action_space, core, make_network=network, **settings)


def collect(agent, env, rollouts=2):
    """The last of several rollouts, so that carries and episodes cross its start."""
    driver = envs.Driver(env, agent.carry_every)
    driver.start(0, agent.initial_carry(env.num_envs))
    for _ in range(rollouts):
        rollout = driver.collect(agent.act, agent.rollout_length)
    return rollout


def recomputed_difference(agent, rollout):
    """Largest differences of log-probability and value between acting and learning, on valid rows."""
    batch = agent._prepare(rollout)
    rows = batch["rows"]
    with torch.no_grad(), agent.precision.products(), agent.precision.autocast():
        distribution, value = agent.network(rows, batch["carry"], rows["is_first"].cpu())
    mask = rows["mask"]
    log_prob_difference = (distribution.log_prob(rows["action"]) - rows["log_prob"]).abs()[mask].max()
    return log_prob_difference.item(), (value - rows["value"]).abs()[mask].max().item()
