"""The benchmark of R2D2's updates runs beside its floor, which leaves the agent alone; no test looks at the times."""

import json

import pytest
import torch

from engram.benchmarks.command import command, make_options
from engram.benchmarks.r2d2 import fill
from engram.benchmarks.r2d2_floor import NetworksOnly

WORDS = ("num_envs=2", "rows=40", "repeats=1", "updates=1", "core.hidden_size=4", "agent.batch_size=2")
WINDOWS = ("agent.batch_length=8", "agent.burn_in=4", "agent.replay.capacity_bytes=200_000")
TINY = (*WORDS, *WINDOWS)


def test_updates_beside_the_floor(tmp_path, capsys):
    assert command(["r2d2", *TINY, f"output={tmp_path}/r2d2.json"]) == 0
    document = json.loads((tmp_path / "r2d2.json").read_text())
    assert set(document["results"]) == {"engram", "floor", "draw"}
    assert all(result["updates_per_second"] > 0 for result in document["results"].values())
    assert set(document["ratios"]) == {"engram / floor"}
    assert "an update and its draw, engram / floor" in capsys.readouterr().out


@pytest.mark.parametrize("core", ["gru", "s5"])
def test_the_floor_runs_both_networks_and_leaves_the_agent_alone(tmp_path, core):
    agent = fill(make_options("r2d2", [f"core={core}", *TINY]), tmp_path)
    assert agent.replay.num_rows >= 40
    floor = NetworksOnly(agent, agent.replay.sample())
    before = {name: value.clone() for name, value in agent.network.state_dict().items()}
    floor.learn()
    assert all(part.grad is not None and part.grad.abs().sum() > 0 for part in floor.parameters[-2:])
    assert all(torch.equal(value, before[name]) for name, value in agent.network.state_dict().items())
    expected = sum(part.numel() for part in agent.network.parameters())
    own = sum(part.numel() for part in floor.parameters)
    assert own >= expected and all(part.grad is None for part in floor.target.parameters())


def test_another_agent_is_refused(capsys):
    assert command(["r2d2", "agent=sac", *WORDS[:5]]) == 2
    assert "This benchmark is of R2D2, but got SAC; set agent=r2d2." in capsys.readouterr().err
