"""Sizes of agents, and the width that gives a wanted one."""

import json

import gymnasium.spaces as gs
import pytest

from engram.agents import PPO, ActorCritic, Dreamer
from engram.memory_cores import HCAM, LSTM
from engram.training.sizes import matching_width


@pytest.mark.parametrize(
    ("target", "width"), [(64, 8), (100, 8), (160, 8), (161, 16), (10_000, 96), (10_017, 104), (10_816, 104)]
)
def test_matching_width_is_the_nearest(target, width):
    assert matching_width(lambda hidden_size: hidden_size**2, target) == width


def test_what_no_width_gives():
    with pytest.raises(ValueError, match="smallest width"):
        matching_width(lambda width: 1000 * width, 100)
    with pytest.raises(ValueError, match="ask for fewer"):
        matching_width(lambda width: width, 1_000_000)


def sizes(make_core, **network):
    def make_network(*arguments):
        return ActorCritic(*arguments, **network)

    return PPO(gs.Discrete(3), gs.Discrete(2), make_core, make_network=make_network).sizes()


def test_sizes_of_an_lstm_agent():
    def make_core(input_size):
        return LSTM(input_size, hidden_size=8)

    one = sizes(make_core)
    core = LSTM(128, hidden_size=8)
    assert one["core_parameters"] == sum(p.numel() for p in core.parameters()) < one["parameters"]
    assert one["carry_bytes_per_env"] == 2 * 8 * 4  # hidden and cell, float32
    two = sizes(make_core, separate_critic_core=True)
    assert two["core_parameters"] == 2 * one["core_parameters"] and two["carry_bytes_per_env"] == 128


def test_a_core_inside_a_core_counts_once():
    core = HCAM(128, hidden_size=16, num_chunks=2, chunk_length=2, top_k=1, num_heads=2)
    got = sizes(lambda input_size: HCAM(input_size, 16, num_chunks=2, chunk_length=2, top_k=1, num_heads=2))
    assert got["core_parameters"] == sum(p.numel() for p in core.parameters())


def test_copies_that_are_not_trained_do_not_count():
    """The slow critic of a world model is an average of the critic, not learnt."""
    space, shape = gs.Discrete(3), {"units": 8, "memory_size": 6, "num_categoricals": 2, "num_classes": 4}
    agent = Dreamer(space, gs.Discrete(2), lambda input_size: LSTM(input_size, hidden_size=8), **shape)
    learnt = sum(parameter.numel() for group in agent.optimizer.param_groups for parameter in group["params"])
    assert agent.sizes()["parameters"] == learnt
    slow = sum(parameter.numel() for parameter in agent.behavior.slow_critic.parameters())
    everything = sum(p.numel() for net in (agent.world_model, agent.behavior) for p in net.parameters())
    assert everything == learnt + slow and slow > 0


def test_a_run_stores_its_sizes(trained):
    assert json.loads((trained / "sizes.json").read_text())["carry_bytes_per_env"] == 2 * 16 * 4
