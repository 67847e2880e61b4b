"""Folders of the commit before text files had checksums: load, resume, evaluate, compare and sweep as they did.

`runs_of_before.zip` holds a run of PPO and one of a world model, each as a kill leaves it, the first at its end as
well, and a sweep of which a trial was killed; all by the settings of `damage_folders`.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from damage_commands import call, call_function, quick_commands
from damage_folders import EVALUATED, PLOTTED, PPO

import engram.scripts.evaluate
import engram.scripts.plot
import engram.scripts.sweep
import engram.scripts.train
from engram import agents

ARCHIVE = Path(__file__).with_name("runs_of_before.zip")


@pytest.fixture
def before(tmp_path, monkeypatch):
    """The unpacked folders, which name each other by relative paths."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    monkeypatch.chdir(tmp_path)
    with quick_commands():
        yield tmp_path


def assert_accepted_with_a_warning(said):
    assert said.code == 0, said.text + said.trace
    warned = [line for line in said.text.splitlines() if line.startswith("warning: ")]
    assert len(warned) == 1 and "manifest.json" in warned[0], said.text


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_load(before):
    said = call_function(lambda: agents.load("ppo/run"))
    assert_accepted_with_a_warning(said)
    assert said.value.num_updates > 0


def test_resume(before):
    assert_accepted_with_a_warning(call(engram.scripts.train.main, "resume=ppo/run"))
    got, expected = (lines_of(before / name / "run" / "metrics.jsonl") for name in ("ppo", "ppo-end"))
    assert [line["env_steps"] for line in got] == [line["env_steps"] for line in expected]
    for mine, theirs in zip(got, expected, strict=True):
        assert mine.get("losses/value") == pytest.approx(theirs.get("losses/value"), rel=1e-3)
    # What goes on from here has checksums.
    assert all("hash" in line for line in got) and (before / "ppo/run/manifest.json").is_file()
    assert call(engram.scripts.train.main, "resume=ppo/run", "total_env_steps=144").text.count("warning") == 0


def test_a_world_model_is_for_the_version_that_wrote_it(before):
    lines = lines_of(before / "world_model/run/metrics.jsonl")
    for main, word in ((engram.scripts.train.main, "resume"), (engram.scripts.evaluate.main, "run")):
        said = call(main, f"{word}=world_model/run")
        assert said.code == 2 and "was written by engram-rl 0.1: use that version" in said.text
    assert lines_of(before / "world_model/run/metrics.jsonl") == lines


def test_evaluate(before):
    said = call(engram.scripts.evaluate.main, "run=ppo/run", "output=out", *EVALUATED)
    assert_accepted_with_a_warning(said)
    assert json.loads((before / "out" / "evaluation.json").read_text())["episodes"] == 2


def test_an_evaluation_to_compare_with(before):
    other = "against=ppo-end/run/evaluation/evaluation.json"
    said = call(engram.scripts.evaluate.main, "run=ppo/run", "output=out", "episodes=20", "num_envs=2", other)
    assert said.code == 0, said.text + said.trace
    assert "against" in json.loads((before / "out" / "evaluation.json").read_text())


def test_plot(before):
    said = call(engram.scripts.plot.main, "runs=[ppo-end,sweep]", "output=report", *PLOTTED)
    assert said.code == 0, said.text + said.trace
    document = json.loads((before / "report" / "results.json").read_text())
    assert {row["seed"] for row in document["runs"]} == {0, 1}
    assert all(one["reason"].startswith("same configuration") for one in document["skipped"])


def test_sweep(before):
    words = ("core=gru", "seed=0,1", *PPO, "sweep.dir=sweep", "sweep.workers=1")
    said = call(engram.scripts.sweep.main, *words)
    assert said.code == 0 and said.value is True, said.text + said.trace
    assert "| 2 |" in said.out
