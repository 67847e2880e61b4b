"""Traced acting is the same to the bit, for every core, and never behind the parameters, however they are changed."""

import numpy as np
import pytest
import torch
from player_cases import ACTIONS, CASES, SYMBOLS, make_agent, play_beside_rows
from small_cores import ONE_OF_EACH_FAMILY
from torch import nn

from engram import envs
from engram.agents.deployment.flat_act import FlatAct, FlatRow
from engram.agents.deployment.trace import Trace
from engram.common.actions import action_layout
from engram.common.streams import host_uniform, stream_uniform
from engram.envs import Driver


def flat_rows(agent, size, count):
    """Rows of random symbols and actions, episodes beginning now and then; with noise."""
    shape, dtype = action_layout(agent.action_space)
    for time in range(count):
        action = torch.rand(size, *shape) if dtype.is_floating_point else torch.randint(2, (size, *shape))
        is_first = torch.rand(size) < (1.0 if time == 0 else 0.2)
        row = FlatRow([torch.randint(5, (size,))], torch.randn(size), action, is_first, None)
        yield row, torch.rand(size, agent.num_uniforms).clamp(1e-6, 1 - 1e-6)


@torch.no_grad()
def assert_same_to_the_bit(agent, size, deterministic, donate, count=10):
    act = FlatAct(agent, [()])

    def flat(obs, reward, prev_action, is_first, noise, *memory):
        row = FlatRow([obs], reward, prev_action, is_first, None)
        action, after, _ = act(row, memory, noise, deterministic, donate)
        return [action, *after]

    trace, memory = None, act.begin(size, None)[0]
    for row, noise in flat_rows(agent, size, count):
        inputs = [row.obs[0], row.reward, row.prev_action, row.is_first, noise]
        trace = trace or Trace(flat, [*inputs, *memory])
        found = trace(*inputs, *(part.clone() for part in memory))
        expected = flat(*inputs, *memory)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == other.dtype and torch.equal(one, other)
        memory = expected[1:]


@pytest.mark.parametrize("donate", [False, True])
@pytest.mark.parametrize("core", ONE_OF_EACH_FAMILY)
def test_every_core(core, donate):
    agent = make_agent("ppo", SYMBOLS, ACTIONS["bounded"], core, encoder={"normalize": True})
    for size in (1, 3):
        assert_same_to_the_bit(agent, size, deterministic=False, donate=donate)


@pytest.mark.parametrize("kind, action", CASES)
def test_every_agent(kind, action):
    agent = make_agent(kind, SYMBOLS, ACTIONS[action], "s5")
    assert_same_to_the_bit(agent, 2, deterministic=True, donate=True)
    player = agent.player()
    player.act(3)
    assert player.why_not_traced is None


@pytest.mark.parametrize("size", [1, 2])
def test_more_of_a_network(size):
    network = {"separate_critic_core": True, "shortcut": True}
    agent = make_agent("ppo", SYMBOLS, ACTIONS["bounded"], "s5", network=network)
    assert_same_to_the_bit(agent, size, deterministic=False, donate=True)


def test_mixed_precision_acts_as_it_is_written():
    agent = make_agent("ppo", SYMBOLS, ACTIONS["bounded"], "s5", precision="bfloat16")
    play_beside_rows(agent)
    player = agent.player()
    player.act(2)
    assert player.why_not_traced == "mixed precision is not traced"


def learn(agent):
    env = envs.RecallFirst(num_envs=4, delay=2)
    driver = Driver(env, agent.carry_every)
    driver.start(0, agent.initial_carry(4))
    agent.learn(driver.collect(agent.act, agent.rollout_length), 0)


def move(agent, change):
    """Change every parameter by a tenth."""
    for parameter in agent.network.parameters():
        change(parameter)


def by_fused_adam(agent):
    parameters = list(agent.network.parameters())
    optimizer = torch.optim.Adam(parameters, lr=0.1, fused=True)  # which counts no version
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()


@torch.no_grad()
def by_loading(agent):
    state = {name: value * 1.1 for name, value in agent.network.state_dict().items()}
    agent.network.load_state_dict(state)


@torch.no_grad()
def of_normalizers_alone(agent):
    for module in agent.network.modules():
        if type(module).__name__ == "RunningNormalizer":
            module.update(torch.tensor([[0.5, 2.0], [1.5, -1.0]]))


CHANGES = {
    "learning": learn,
    "fused_adam": by_fused_adam,
    "in_place": torch.no_grad()(lambda agent: move(agent, lambda one: one.mul_(1.1))),
    "behind_autograd": lambda agent: move(agent, lambda one: one.data.mul_(1.1)),
    "another_storage": lambda agent: move(agent, lambda one: setattr(one, "data", one.data * 1.1)),
    "numpy": lambda agent: move(
        agent, lambda one: np.multiply(one.detach().numpy(), 1.1, out=one.detach().numpy())
    ),
    "loading": by_loading,
    "normalizers": of_normalizers_alone,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("core", ["gru", "s5", "ffm"])
def test_never_behind_the_parameters(core, change):
    env = envs.RecallFirst(num_envs=4, delay=2)
    agent = make_agent(
        "ppo",
        env.single_observation_space,
        env.single_action_space,
        core,
        encoder={"normalize": True, "leaves": None},
        num_minibatches=1,
        learning_rate=0.1,
    )
    player, probe = agent.player(2), [0, 1]
    for _ in range(2):
        player.act(probe, deterministic=True)
        CHANGES[change](agent)
        fresh = agent.player(2)
        player.reset()
        for _ in range(3):
            player.act(probe, deterministic=True)
            fresh.act(probe, deterministic=True)
            for one, other in zip(player._memory.memory, fresh._memory.memory, strict=True):
                assert torch.equal(one, other)


class Branches(nn.Module):
    def forward(self, x):
        return x if float(x.sum()) > 0 else 2 * x


class ByHand(nn.Module):
    def forward(self, x):
        return torch.from_numpy(np.tanh(x.detach().numpy()))


@pytest.mark.parametrize("part", [Branches, ByHand])
def test_what_cannot_be_traced_acts_as_it_is_written(part):
    agent = make_agent("ppo", SYMBOLS, ACTIONS["bounded"])
    agent.network.encoder.mlp.append(part())
    player = agent.player()
    assert player.why_not_traced is None  # not before it has been tried
    for symbol in (2, 4, 3):
        action = player.act(symbol, deterministic=True)
        assert np.isfinite(action).all()
    assert player.why_not_traced and "\n" not in player.why_not_traced


def test_a_mistake_in_a_users_network_keeps_its_traceback():
    agent = make_agent("ppo", SYMBOLS, ACTIONS["bounded"])
    agent.network.encoder.mlp.append(nn.Linear(3, 3))
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        agent.player().act(2)


def test_only_what_is_read_is_computed_and_constants_once():
    weight = nn.Parameter(torch.ones(3))

    def function(x, unread):
        decay = weight.double().exp().float()  # of the parameter alone
        torch.sin(x)  # nobody reads it
        table = torch.zeros(3)
        table[0] = 7.0  # written to, so made anew
        return [decay * x, table]

    trace = Trace(function, [torch.ones(3), torch.ones(3)])
    assert trace.reads == [True, False]
    names = trace._compute.__self__.code
    assert "exp" not in names and "sin" not in names and "mul" in names
    first, table = trace(torch.ones(3), torch.ones(3))
    assert first.tolist() == pytest.approx([np.e] * 3)
    table.fill_(3.0)  # what is given away may be written to
    with torch.no_grad():
        weight.fill_(0.0)
    second, table = trace(torch.full((3,), 2.0), torch.ones(3))
    assert second.tolist() == [2.0] * 3 and table.tolist() == [7.0, 0.0, 0.0]


def test_views_that_are_written_to_reach_what_they_are_of():
    def function(store, x):
        view = store.view(-1)[1:]
        view.add_(x)
        return [store.sum()]

    trace = Trace(function, [torch.zeros(2, 2), torch.ones(3)])
    store = torch.zeros(2, 2)
    assert trace(store, torch.ones(3))[0] == 3.0 and store.tolist() == [[0, 1], [1, 1]]


def test_large_parameters_are_not_held_against_what_they_were():
    weight = nn.Parameter(torch.ones(65, 64))
    trace = Trace(lambda x: [(weight * 2) @ x], [torch.ones(64)])
    assert not trace._compared
    weight.data.zero_()
    assert trace(torch.ones(64))[0].sum() == 0


@pytest.mark.parametrize("count", [0, 1, 4, 61])
def test_noise_of_the_host_is_that_of_tensors(count):
    keys = torch.randint(-(2**63), 2**63 - 1, (5,))
    counters = torch.tensor([0, 1, 2, 2**40, 2**62])
    expected = stream_uniform(keys, counters, count)
    found = host_uniform(*(part.numpy().view(np.uint64) for part in (keys, counters)), count)
    assert found.dtype == np.float32 and found.shape == (5, count)
    np.testing.assert_array_equal(found, expected.numpy())


def test_a_large_memory_is_written_in_place():
    """A step costs the same however much there is to remember."""
    agent = make_agent("ppo", SYMBOLS, ACTIONS["discrete"], "hcam")
    player = agent.player()
    player.act(2)
    before = {part.data_ptr() for part in player._memory.memory}
    player.act(3)
    assert before & {part.data_ptr() for part in player._memory.memory}
