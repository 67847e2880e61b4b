"""The benchmark of updates runs beside its floor, which leaves the agent alone; no test looks at the times."""

import json
from types import SimpleNamespace

import pytest
import torch

from engram.agents.replay import ReplayAgent
from engram.benchmarks.command import command, make_options
from engram.benchmarks.update_floors import NetworksOnly, has_floor
from engram.benchmarks.updates import build, fill

WORDS = ("num_envs=2", "rows=40", "repeats=1", "updates=1", "core.hidden_size=4")
WINDOWS = ("agent.batch_size=2", "agent.batch_length=8", "agent.burn_in=4")
ROLLOUTS = ("agent.rollout_length=8", "agent.num_minibatches=2")
AGENTS = {
    "ppo": (*ROLLOUTS, "agent.make_network.separate_critic_core=true"),
    "impala": ROLLOUTS,
    "pqn": ROLLOUTS,
    "r2d2": WINDOWS,
    "sac": WINDOWS,
    "sac_box": (*WINDOWS, "env=popgym/position_only_pendulum_easy", "agent.make_network.shortcut=false"),
    "sac_shared": (*WINDOWS, "agent.make_network.separate_critic_core=false"),
}


def words_of(name, core="gru"):
    return [f"agent={name.split('_')[0]}", f"core={core}", *WORDS, *AGENTS[name]]


@pytest.mark.parametrize("agent", ["impala", "r2d2"])
def test_updates_beside_the_floor(tmp_path, capsys, agent):
    assert command(["updates", *words_of(agent), f"output={tmp_path}/updates.json"]) == 0
    document = json.loads((tmp_path / "updates.json").read_text())
    assert set(document["results"]) == {"engram", "floor"} | ({"draw"} if agent == "r2d2" else set())
    assert all(result["updates_per_second"] > 0 for result in document["results"].values())
    assert set(document["ratios"]) == {"engram / floor"}
    assert "an update and its draw, engram / floor" in capsys.readouterr().out


@pytest.mark.parametrize(("agent", "core"), [*((name, "gru") for name in AGENTS), ("r2d2", "s5")])
def test_the_floor_runs_all_networks_and_leaves_the_agent_alone(tmp_path, agent, core):
    agent, driver = build(make_options("updates", words_of(agent, core)))
    if isinstance(agent, ReplayAgent):
        fill(agent, driver, 40, tmp_path)
        assert agent.replay.num_rows >= 40
        floor = NetworksOnly(agent, agent.replay.sample().rows)
    else:
        floor = NetworksOnly(agent, driver.collect(agent.own_policy, agent.rollout_length).rows)
    before = {name: value.clone() for name, value in agent.network.state_dict().items()}
    floor.learn()
    assert all(part.grad is not None and part.grad.abs().sum() > 0 for part in floor.parameters)
    assert all(torch.equal(value, before[name]) for name, value in agent.network.state_dict().items())
    assert sum(part.numel() for part in floor.parameters) >= agent_parameters(agent, core)


def agent_parameters(agent, core):
    """What the floor must move at least; only Engram's own log of a standard deviation is no network's."""
    return sum(part.numel() for name, part in agent.network.named_parameters() if name != "log_std")


def test_what_has_no_network_of_its_own_has_no_floor_here():
    assert not has_floor(SimpleNamespace(world_model=torch.nn.Linear(1, 1)))
