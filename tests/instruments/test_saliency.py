"""Saliency against numbers by hand, and what it must be zero for."""

from functools import partial

import pytest
import torch
from pixel_envs import ColourRecall
from small_cores import ONE_OF_EACH_FAMILY, make_small

from engram import envs
from engram.agents import PPO, R2D2, SAC, Dreamer
from engram.agents.networks.actor_critic import ActorCritic
from engram.common.errors import UsageError
from engram.instruments import agent_saliency, pixel_saliency, play_rows, positions, saliency
from engram.memory_cores import HCAM
from engram.memory_cores.carry import Leaf
from engram.memory_cores.scan_core import ScanCore


def chain(x, decay=0.8):
    """h = tanh(decay h + x), [B, T, 1]."""
    state, states = torch.zeros_like(x[:, 0]), []
    for row in x.unbind(1):
        state = torch.tanh(decay * state + row)
        states.append(state)
    return torch.stack(states, dim=1)


def test_the_caption_and_not_the_code_of_popgym_arcade():
    x = torch.tensor([[[0.3], [-0.5], [0.2]]], dtype=torch.float64, requires_grad=True)
    h = chain(x)
    found = saliency(torch.cat([h, -h], dim=-1), x).rows[0]
    expected = torch.tensor([1.091630544, 1.491075366, 1.999851138], dtype=torch.float64)
    torch.testing.assert_close(found[2], expected, atol=1e-9, rtol=0)
    mass = torch.tensor([0.238214284, 0.325380645, 0.436405072], dtype=torch.float64)
    torch.testing.assert_close(found[2] / found[2].sum(), mass, atol=1e-9, rtol=0)
    assert not found.triu(1).any()
    summed = saliency(torch.cat([h, -h], dim=-1).sum(-1, keepdim=True), x).rows
    assert not summed.any()  # what the code computes: all cancels


def test_gradient_times_input_and_what_was_carried_in():
    x = torch.tensor([[[3.0, -2.0], [1.0, 4.0]]], requires_grad=True)
    before = torch.tensor([[5.0]], requires_grad=True)
    y = torch.stack([x[:, 0, :1] - x[:, 0, 1:] + 7 * before, 2 * x[:, 0, :1] + x[:, 1, 1:]], dim=1)
    plain, times = (saliency(y, x, [before], times_input) for times_input in (False, True))
    assert plain.rows.tolist() == [[[2, 0], [2, 1]]] and plain.carried.tolist() == [[7, 0]]
    assert times.rows.tolist() == [[[5, 0], [6, 4]]] and times.carried.tolist() == [[35, 0]]


class Leaky(ScanCore):
    """y = 2 h with h' = h / 2 + x."""

    def __init__(self):
        super().__init__(1, 1)
        self.c = torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

    def carry_spec(self):
        return {"hidden": Leaf((1,))}

    def equations(self, x, memory):
        return self.c * memory.scan("hidden", torch.full((1,), 0.5, dtype=torch.float64), x)


def test_a_linear_memory_has_the_saliency_of_its_weights():
    core = Leaky()
    x = torch.tensor([1.0, 0, 3, -1, 2], dtype=torch.float64).reshape(1, 5, 1).requires_grad_()
    is_first = torch.tensor([[True, False, False, True, False]])
    y, _ = core(x, core.initial_carry(1), is_first)
    assert y.flatten().tolist() == [2, 1, 6.5, -2, 3]
    weights = [[2, 0, 0, 0, 0], [1, 2, 0, 0, 0], [0.5, 1, 2, 0, 0], [0, 0, 0, 2, 0], [0, 0, 0, 1, 2]]
    assert saliency(y, x).rows[0].tolist() == weights


def make_agent(make_core, env, agent=PPO, **options):
    return agent(env.single_observation_space, env.single_action_space, make_core, seed=3, **options)


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
@pytest.mark.parametrize("of", ["action", "value", "log_prob"])
def test_nothing_counts_that_lies_behind_or_before_the_episode(name, of):
    env = envs.RecallFirst(num_envs=2, delay=3)
    agent = make_agent(make_small(name), env)
    played = play_rows(agent, env, 12)
    assert played.rows["is_first"].sum() == 6
    found = agent_saliency(agent, played, of)
    episode = played.rows["is_first"].cumsum(1)
    is_past = (episode.unsqueeze(2) == episode.unsqueeze(1)).tril()
    assert not found.rows[~is_past].any()
    assert found.rows.diagonal(dim1=1, dim2=2).all()
    earlier = found.rows[is_past & ~torch.eye(12, dtype=torch.bool)]
    assert earlier.any() == (name not in ("mlp", "pos_mlp"))
    assert not found.carried.any()  # the first row begins an episode


@pytest.mark.parametrize(
    ("name", "options", "window"),
    [("frame_stack", {"window": 3}, 3), ("gtrxl", {"num_layers": 1, "memory_length": 4}, 5)],
)
def test_nothing_counts_beyond_a_window(name, options, window):
    env = envs.RecallFirst(num_envs=1, delay=9)
    agent = make_agent(make_small(name, **options), env)
    found = agent_saliency(agent, play_rows(agent, env, 10)).rows[0]
    rows = torch.arange(10)
    age = rows[:, None] - rows
    assert not found[age >= window].any() and found[(age >= 0) & (age < window)].all()


def test_what_a_core_stores_without_a_gradient_counts_too():
    env = envs.RecallFirst(num_envs=1, delay=6)
    agent = make_agent(partial(HCAM, hidden_size=8, num_chunks=4, chunk_length=2, top_k=4), env)
    (core,) = (core for core in agent.cores if isinstance(core, HCAM))
    with torch.no_grad():  # without the inner memory only the store leads back
        for parameter in core.layers[0].inner.parameters():
            parameter.zero_()
    found = agent_saliency(agent, play_rows(agent, env, 8)).rows[0]
    assert found[7, :7].all() and core.layers[0].stop_gradient


def test_a_critic_with_a_memory_of_its_own():
    env = envs.RecallFirst(num_envs=1, delay=2)
    network = partial(ActorCritic, separate_critic_core=True)
    agent = make_agent(make_small("gru"), env, make_network=network)
    played = play_rows(agent, env, 4)
    with torch.no_grad():
        for parameter in agent.network.core.parameters():
            parameter.zero_()
    assert agent_saliency(agent, played, "value").rows[0, 3, :3].all()
    assert not agent_saliency(agent, played, "action").rows.any()


@pytest.mark.parametrize("agent", [R2D2, SAC])
def test_agents_with_a_replay(agent):
    env = envs.RecallFirst(num_envs=2, delay=2)
    made = make_agent(make_small("gru"), env, agent)
    played = play_rows(made, env, 4)
    found = agent_saliency(made, played)
    assert found.rows.shape == (2, 4, 4) and found.rows[:, 3, :3].all()
    with pytest.raises(UsageError, match=r"action.* of .*, but got 'log_prob'; set saliency\.of=action\."):
        agent_saliency(made, played, "log_prob")


def test_an_agent_that_does_not_say_what_it_makes_of_rows():
    env = envs.RecallFirst(num_envs=1, delay=2)
    agent = make_agent(make_small("gru"), env, Dreamer, units=8, memory_size=16, num_categoricals=2)
    with pytest.raises(ValueError, match="Dreamer does not; analyse one of those"):
        agent_saliency(agent, play_rows(agent, env, 2))


def test_the_pixels_of_the_past():
    env = ColourRecall(num_envs=2, delay=2)
    agent = make_agent(make_small("gru"), env)
    played = play_rows(agent, env, 8)
    seen, pixels = pixel_saliency(agent, played, env_index=1, row=3)
    assert torch.equal(seen, played.rows["obs"][1, :4]) and pixels.shape == (4, 24, 24)
    assert (pixels.flatten(1).sum(1) > 0).all()
    # What is made of the last row changes with the first row's pixel as the gradient says.
    _, pixels = pixel_saliency(agent, played, env_index=1, row=3, of="value")
    slopes = torch.zeros(3)
    for channel in range(3):
        ends = []
        for shade in (-2, 2):
            moved = played.rows[1:2, :4].clone()
            moved["obs"] = moved["obs"].float()
            moved["obs"][0, 0, 9, 9, channel] += shade
            ends.append(agent.outlook(moved, played.memory[1:2]).outputs["value"].values[0, -1, 0].item())
        slopes[channel] = abs(ends[1] - ends[0]) / 4
    torch.testing.assert_close(pixels[0, 9, 9], slopes.mean(), rtol=0.1, atol=1e-8)
    assert pixel_saliency(*_symbols(), env_index=0, row=1) is None


def _symbols():
    env = envs.RecallFirst(num_envs=1, delay=2)
    agent = make_agent(make_small("gru"), env)
    return agent, play_rows(agent, env, 4)


def test_rows_are_counted_from_the_beginning_of_their_episode():
    is_first = torch.tensor([[False, False, True, False, True]])
    assert positions(is_first).tolist() == [[0, 1, 0, 1, 0]]
