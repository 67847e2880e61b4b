"""Spaces with nothing in them are refused by name, by every agent."""

from functools import partial

import gymnasium.spaces as gs
import numpy as np
import pytest

from engram.agents import PPO
from engram.agents.world_model import Dreamer
from engram.memory_cores import GRU

AGENTS = pytest.mark.parametrize("agent", [PPO, Dreamer])
NOTHING = [gs.Box(0, 1, (0,)), gs.Box(0, 1, (2, 0)), gs.Box(0, 255, (0, 64, 3), np.uint8)]


def make(agent, observation_space=None, action_space=None):
    seen = gs.Box(-1, 1, (2,)) if observation_space is None else observation_space
    done = gs.Discrete(2) if action_space is None else action_space
    return agent(seen, done, partial(GRU, hidden_size=8))


@AGENTS
@pytest.mark.parametrize("space", NOTHING, ids=str)
def test_observations(agent, space):
    with pytest.raises(ValueError, match=r"An agent reads one number or more of 'obs', but got Box.*; wrap"):
        make(agent, space)
    with pytest.raises(ValueError, match=r"one number or more of 'b', but got Box.* with leaves\.b=none"):
        make(agent, gs.Dict(a=gs.Discrete(2), b=space))
    for nothing in (gs.Dict(), gs.Tuple(())):
        with pytest.raises(ValueError, match=r"must read a part of the observation, but .* has none"):
            make(agent, nothing)


@AGENTS
@pytest.mark.parametrize("space", [gs.Box(-1, 1, (0,)), gs.MultiDiscrete(np.zeros(0, np.int64))], ids=str)
def test_actions(agent, space):
    with pytest.raises(
        ValueError, match=r"An action space must be .* one or more floating numbers, but it is"
    ):
        make(agent, action_space=space)
