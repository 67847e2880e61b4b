"""The benchmark of players runs and writes what it measured; no test looks at the times."""

import json

import pytest

from engram.benchmarks import command as benchmark

OURS = ["act on rows", "player", "player, drawn"]


@pytest.mark.parametrize("core, floor", [("gru", ["floor"]), ("s5", ["floor"]), ("ffm", [])])
def test_it_measures_a_step_of_everything(core, floor, tmp_path):
    output = tmp_path / "player.json"
    words = [f"core={core}", "repeats=1", "steps=2", "peer=false", f"output={output}"]
    assert benchmark.command(["player", *words]) == 0
    lines = json.loads(output.read_text())["results"]
    assert [line["name"] for line in lines] == [*OURS, *floor]
    assert lines[0]["over_act"] == 1 and all(line["microseconds"] > 0 for line in lines)
    assert all((line["over_floor"] is None) == (not floor) for line in lines)


def test_several_at_once_and_other_agents(tmp_path):
    output = tmp_path / "player.json"
    words = [
        "agent=r2d2",
        "env=diagnostic/recall_first",
        "num_envs=3",
        "repeats=1",
        "steps=1",
        f"output={output}",
    ]
    assert benchmark.command(["player", *words]) == 0
    assert [line["name"] for line in json.loads(output.read_text())["results"]] == OURS


def test_the_peer_is_another_librarys(tmp_path):
    pytest.importorskip("sb3_contrib", reason="sb3-contrib is not installed: pip install -e '.[benchmark]'")
    output = tmp_path / "player.json"
    assert benchmark.command(["player", "repeats=1", "steps=1", f"output={output}"]) == 0
    assert json.loads(output.read_text())["results"][-1]["name"] == "RecurrentPPO"
