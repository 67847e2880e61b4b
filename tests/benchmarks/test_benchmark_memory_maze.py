"""The benchmark of the mazes runs and writes what it measured; no test looks at the times."""

import json

import pytest

from engram.benchmarks import command as benchmark
from engram.envs.memory_maze.real import versions

TINY = ("memory_maze", "num_envs=[2]", "num_layouts=4", "repeats=1", "seconds=0.001", "threads=1")


@pytest.mark.slow
@pytest.mark.real_maze
def test_it_writes_both_mazes(tmp_path, capsys):
    output = tmp_path / "maze.json"
    assert benchmark.command([*TINY, "sizes=[tiny,9x9]", f"output={output}"]) == 0
    tiny, small = json.loads(output.read_text())["results"]
    assert (tiny["size"], small["size"]) == ("tiny", "9x9")
    assert tiny["real"] is None and tiny["ratio"] is None and tiny["blind"] > 0
    assert small["native"] > 0 and small["real_fast"] > 0 and small["captured"] is None
    # One repeat: the ratio is of the two figures beside it.
    assert small["ratio"] == pytest.approx(small["native"] / small["real"])
    assert "load average" in capsys.readouterr().out


def test_wrong_options_are_named(capsys, monkeypatch):
    assert benchmark.command(["memory_maze", "sizes=[8x8]"]) == 2
    assert "'8x8'" in capsys.readouterr().err
    monkeypatch.setattr(versions, "version", lambda name: "0.0")
    assert benchmark.command(["memory_maze"]) == 2
    assert "works with one mujoco" in capsys.readouterr().err
