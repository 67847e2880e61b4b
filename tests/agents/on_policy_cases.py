"""Small IMPALA and PQN agents."""

import functools

from engram import memory_cores
from engram.agents import IMPALA, PQN, ActorCritic, Encoder, QNetwork

GRU = functools.partial(memory_cores.GRU, hidden_size=8)
SETTINGS = {"rollout_length": 30, "num_epochs": 1, "num_minibatches": 1, "precision": "float32"}


def make(kind, env, core=GRU, **options):
    """An agent of a few units whose first choices are far from alike, so that a leak of memory shows."""
    spaces = env.single_observation_space, env.single_action_space
    encoder = functools.partial(Encoder, hidden_sizes=(8,))
    heads = {"head_hidden_sizes": (8,), "make_encoder": encoder} | options.pop("network", {})
    if kind == "pqn":
        network = functools.partial(QNetwork, value_gain=2.0, **heads)
        return PQN(*spaces, core, make_network=network, **SETTINGS | options)
    if kind == "a2c":
        options |= {"correction": "none"}
    network = functools.partial(ActorCritic, policy_gain=2.0, **heads)
    return IMPALA(*spaces, core, make_network=network, **SETTINGS | options)
