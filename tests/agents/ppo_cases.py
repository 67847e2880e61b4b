"""Small PPO agents, their rollouts, and the standing test's figure."""

import functools
from pathlib import Path

import torch
from omegaconf import OmegaConf

from engram import configs, envs, memory_cores
from engram.agents import PPO, ActorCritic, Encoder
from engram.agents.stored.build import build

CORES = sorted(path.stem for path in (Path(configs.__file__).parent / "core").glob("*.yaml"))
GRU = functools.partial(memory_cores.GRU, hidden_size=8)


def make_core(name, size=8):
    """A small core from its YAML."""
    config = OmegaConf.load(Path(configs.__file__).parent / "core" / f"{name}.yaml")
    for key in ("hidden_size", "state_size", "memory_size"):
        if key in config:
            config[key] = size
    return build(OmegaConf.to_container(config, resolve=True))


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
    settings = {"rollout_length": 30, "num_epochs": 1, "num_minibatches": 1, **options}
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
    with torch.no_grad():
        distribution, value = agent.network(rows, batch["carry"], rows["is_first"].cpu())
    mask = rows["mask"]
    log_prob_difference = (distribution.log_prob(rows["action"]) - rows["log_prob"]).abs()[mask].max()
    return log_prob_difference.item(), (value - rows["value"]).abs()[mask].max().item()
