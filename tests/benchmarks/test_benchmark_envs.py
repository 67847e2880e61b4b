"""The benchmark of the environments runs and writes what it measured; no test looks at the times."""

import importlib.util
import json
from dataclasses import replace

import pytest

from engram import envs
from engram.benchmarks import command as benchmark
from engram.benchmarks.envs import _can_be_stepped, native_makers

TINY = ("envs", "num_envs=[3,5]", "repeats=1", "seconds=0.001", "package_envs=2")


def test_it_writes_every_environment_and_number(tmp_path, capsys):
    output = tmp_path / "envs.json"
    names = "envs=[popgym/autoencode_easy,diagnostic/recall_first]"
    assert benchmark.command([*TINY, names, f"output={output}"]) == 0
    document = json.loads(output.read_text())
    results = document["results"]
    measured = [(result["env"], result["num_envs"]) for result in results]
    assert measured == [(e, b) for e in ("popgym/autoencode_easy", "diagnostic/recall_first") for b in (3, 5)]
    assert all(result["native"] > 0 and result["captured"] is None for result in results)
    assert [result["package"] is None for result in results] == [False, False, True, True]
    assert set(document["median_ratios"]) == {"3", "5"}
    assert "median ratio at 5 environments" in capsys.readouterr().out


def test_a_package_that_is_missing_or_slow_to_make_is_left_out():
    minigrid, maze = (envs.TASKS[name].package for name in ("minigrid/memory_s7", "memory_maze/9x9"))
    assert _can_be_stepped(minigrid) == (importlib.util.find_spec("minigrid") is not None)
    assert not _can_be_stepped(replace(minigrid, needs=("no_such_package",)))
    assert not _can_be_stepped(maze)


@pytest.mark.slow
def test_all_natives_can_be_measured(capsys):
    assert benchmark.command([*TINY, "package=false", "num_envs=[2]"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in native_makers())
    assert "popgym/repeat_previous_hard" in native_makers()


def test_wrong_options_are_named(capsys):
    assert benchmark.command(["envs", "envs=[popgym/none]"]) == 2
    assert "'popgym/none'" in capsys.readouterr().err
    assert benchmark.command(["envs", "num_envs=0"]) == 2
    assert "num_envs" in capsys.readouterr().err
