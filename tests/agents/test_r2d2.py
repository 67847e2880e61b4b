"""R2D2: its targets by hand and beside double DQN, its burn-in, who explores how much, and that it learns."""

import functools
import statistics

import pytest
import torch
from ppo_cases import collect
from tensordict import TensorDict
from torchrl.data import OneHot
from torchrl.modules import QValueActor
from torchrl.objectives import DQNLoss

from engram import envs, memory_cores
from engram.agents import R2D2, Encoder, QNetwork
from engram.agents.exploration import epsilons
from engram.agents.replay import Batch

ONLINE = [[0.1, 0.4], [0.5, 0.2], [0.3, 0.7], [0.9, 0.6], [0, 0.8], [0.2, 0.1], [0.4, 0.3]]
TARGET = [[0, 0.3], [0.6, 0.1], [0.2, 0.5], [0.7, 0.8], [0.1, 0.6], [0.3, 0.2], [0.5, 0.1]]
GRU = functools.partial(memory_cores.GRU, hidden_size=8)


def make_r2d2(env, core=GRU, **options):
    network = functools.partial(
        QNetwork,
        head_hidden_sizes=(8,),
        value_gain=2.0,
        make_encoder=functools.partial(Encoder, hidden_sizes=(8,)),
        **options.pop("network", {}),
    )
    settings = {"rollout_length": 30, "batch_length": 20, "burn_in": 10, "precision": "float32"}
    settings |= {"replay": {"store_carry_every": 10}} | options
    return R2D2(env.single_observation_space, env.single_action_space, core, make_network=network, **settings)


def example(is_terminal):
    """The rows of the example: row 3 ends an episode."""
    is_last = torch.arange(7).unsqueeze(0) == 3
    return TensorDict(
        {
            "reward": torch.tensor([[0.0, 1, 0, 2, 0, -1, 3]], dtype=torch.float64),
            "is_last": is_last,
            "is_cut": torch.zeros_like(is_last),
            "is_terminal": is_last & is_terminal,
        },
        batch_size=[1, 7],
    )


def test_targets_by_hand():
    agent = make_r2d2(envs.RecallFirst(num_envs=2), gamma=0.9, num_steps=3)
    values = [torch.tensor([table], dtype=torch.float64) for table in (ONLINE, TARGET)]
    found = agent.targets(example(False), *values)[0]
    expected = [1.238527524, 1.083161152, 1.170545345, 0.928708652, 1.267224924]
    assert found[[0, 1, 2, 4, 5]].tolist() == pytest.approx(expected, abs=1e-9)
    chosen = torch.tensor([0.4, 0.5, 0.7, 0.9, 0.8, 0.2], dtype=torch.float64)
    errors = agent.targets(example(True), *values)[0] - chosen
    assert errors[[1, 2]].tolist() == pytest.approx([0.175120053, 0.034050808], abs=1e-8)


def test_a_cut_row_closes_with_its_own_value():
    agent = make_r2d2(envs.RecallFirst(num_envs=2), gamma=0.9, num_steps=3, rescaling=False)
    values = [torch.tensor([table], dtype=torch.float64) for table in (ONLINE, TARGET)]
    rows, cut = example(False), example(False)
    cut["is_last"], cut["is_cut"] = rows["is_cut"], rows["is_last"]
    assert torch.equal(agent.targets(cut, *values), agent.targets(rows, *values))


def test_one_step_without_rescaling_is_double_dqn():
    agent = make_r2d2(envs.RecallFirst(num_envs=2), gamma=0.9, num_steps=1, rescaling=False)
    generator = torch.Generator().manual_seed(0)
    values, target_values = torch.randn(2, 3, 8, 4, generator=generator)
    rows = TensorDict(
        {
            "reward": torch.randn(3, 8, generator=generator),
            "action": torch.randint(4, (3, 8), generator=generator),
            **{key: torch.zeros(3, 8, dtype=torch.bool) for key in ("is_last", "is_cut")},
            "is_terminal": torch.rand(3, 8, generator=generator) < 0.3,
        },
        batch_size=[3, 8],
    )
    chosen = values.gather(-1, rows["action"].unsqueeze(-1)).squeeze(-1)[:, :-1]
    ours = (agent.targets(rows, values, target_values) - chosen).square().mean()

    # TorchRL's loss reads values from networks of the observation: here the observation is both tables.
    class Table(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.row = torch.nn.Parameter(torch.zeros(1))

        def forward(self, tables):
            return torch.where(self.row == 0, tables[..., :4], tables[..., 4:])

    actor = QValueActor(Table(), in_keys=["tables"], spec=OneHot(4))
    loss = DQNLoss(actor, loss_function="l2", delay_value=True, double_dqn=True, action_space="one_hot")
    loss.make_value_estimator(gamma=0.9)
    loss.target_value_network_params.data.apply_(lambda x: x.fill_(1))
    tables = torch.cat([values, target_values], dim=-1)
    following = {
        "tables": tables[:, 1:],
        "reward": rows["reward"][:, 1:, None],
        "done": rows["is_terminal"][:, 1:, None],
        "terminated": rows["is_terminal"][:, 1:, None],
    }
    action = torch.nn.functional.one_hot(rows["action"][:, :-1], 4)
    data = TensorDict({"tables": tables[:, :-1], "action": action, "next": following}, batch_size=[3, 7])
    torch.testing.assert_close(loss(data)["loss"], ours)


def window(agent, env):
    rollout = collect(agent, env)
    rows = rollout.rows.clone().set("is_cut", torch.zeros_like(rollout.rows["is_last"]))
    is_trained = torch.ones_like(rows["is_last"])
    is_trained[:, :10] = False
    return Batch(rows, rollout.carries[:, 0], is_trained)


def test_no_gradient_reaches_into_the_burn_in():
    """What its rows show moves the memory, and the values behind it, but no gradient comes of them alone."""
    env = envs.RecallFirst(num_envs=4, delay=50)
    agent = make_r2d2(env)
    batch = window(agent, env)
    calls, forward = [], agent.network.encoder.forward

    def listen(rows):
        calls.append((tuple(rows.batch_size), torch.is_grad_enabled()))
        return forward(rows)

    agent.network.encoder.forward = listen
    agent.update(batch, 0)
    assert calls == [((4, 10), False), ((4, 20), True)]


def test_the_target_network_follows():
    env = envs.RecallFirst(num_envs=4, delay=5)
    agent = make_r2d2(env, target_update_rate=1.0, target_update_interval=2, learning_rate=1e-2)
    batch = window(agent, env)

    def is_same():
        pairs = zip(agent.network.parameters(), agent.target_network.parameters(), strict=True)
        return all(torch.equal(*pair) for pair in pairs)

    assert is_same()
    agent.update(batch, 0)
    assert not is_same()
    agent.update(batch, 0)
    assert is_same()
    trained = sum(part.numel() for part in agent.network.parameters())
    assert agent.sizes()["parameters"] == trained


def test_environments_explore_by_their_number():
    found = epsilons(torch.arange(4), 4, 0.4, 7.0).tolist()
    assert found == pytest.approx([0.4, 0.047155603, 0.005559127, 0.00065536], rel=1e-5)
    agent = make_r2d2(envs.RecallFirst(num_envs=8))
    expected = [0.4, 0.16, 0.064, 0.0256, 0.01024, 0.004096, 0.0016384, 0.00065536]
    carry = agent.initial_carry(8)
    assert carry["epsilon"].tolist() == pytest.approx(expected, rel=1e-5)
    assert "epsilon" not in agent.stored_carry(carry)
    env = envs.RecallFirst(num_envs=8)
    driver = envs.Driver(env, 30)
    driver.start(0, carry)
    assert driver.collect(agent.own_policy, 30).pending_carry["epsilon"].tolist() == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("carry_from", ["stored", "initial"])
def test_learns_to_recall(tmp_path, carry_from):
    env = envs.RecallFirst(num_envs=8, delay=4)
    agent = make_r2d2(
        env,
        functools.partial(memory_cores.GRU, hidden_size=32),
        rollout_length=16,
        carry_from=carry_from,
        gamma=0.5,
        learning_rate=3e-3,
        replay={"prefill": 1000, "capacity_bytes": 20_000_000, "store_carry_every": 16},
    )
    driver = envs.Driver(env, agent.carry_every)
    driver.start(0, agent.initial_carry(8))
    agent.open_files(tmp_path, driver.row, is_new=True)
    best = -1.0
    while driver.env_steps < 60_000 and best < 0.8:
        steps = driver.env_steps
        rollout = driver.collect(agent.policy(steps), 16)
        agent.learn(rollout, steps)
        result = (
            envs.evaluate(
                envs.RecallFirst(num_envs=20, delay=4),
                functools.partial(agent.act, deterministic=True),
                agent.initial_carry(20),
                20,
                1,
            )
            if driver.env_steps % 2048 < 128
            else None
        )
        best = max(best, statistics.fmean(result.returns) if result else -1.0)
    assert best >= 0.8
