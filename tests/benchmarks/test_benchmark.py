"""What all benchmarks share, and the two without a file of their own; no test looks at the times."""

import json

import pytest

from engram.benchmarks.command import BENCHMARKS, command

PPO = ("ppo", "sb3=false", "package=false", "iterations=1", "num_envs=2", "core.hidden_size=4")
ROLLOUT = ("agent.rollout_length=8", "agent.num_minibatches=1", "agent.num_epochs=1")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_folder_that_is_missing_is_named_before_anything_is_measured(capsys, name):
    assert command([name, "output=no_such_folder/result.json"]) == 2
    captured = capsys.readouterr()
    assert "output must lie in a folder that exists" in captured.err and not captured.out


def test_an_unknown_benchmark(capsys):
    assert command(["memory"]) == 2
    assert "A benchmark is one of all, cores, dense" in capsys.readouterr().err


def test_ppo_beside_its_floor(tmp_path, capsys):
    assert command([*PPO, *ROLLOUT, f"output={tmp_path}/ppo.json"]) == 0
    document = json.loads((tmp_path / "ppo.json").read_text())
    assert set(document) == {"config", "versions", "load_average", "results", "ratios"}
    assert set(document["results"]) == {"engram", "floor"}
    assert set(document["ratios"]) == {"engram / floor", "engram update / floor update"}
    assert "time, engram / floor" in capsys.readouterr().out


def test_ppo_refuses_wrong_counts(capsys):
    assert command([*PPO, "iterations=0"]) == 2
    assert "iterations must be a whole number" in capsys.readouterr().err


def test_statistics_beside_their_peer(tmp_path):
    pytest.importorskip("rliable")
    words = ("statistics", "num_runs=3", "tasks=2", "resamples=50", "peer_resamples=20", "repeats=1")
    assert command([*words, f"output={tmp_path}/statistics.json"]) == 0
    results = json.loads((tmp_path / "statistics.json").read_text())["results"]
    assert len(results) == 6 and all(result["ratio"] > 0 for result in results)
