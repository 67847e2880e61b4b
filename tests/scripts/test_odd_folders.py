"""Every command works in a folder of any name, and nowhere else."""

import contextlib
import io
import os
import types
from pathlib import Path

import pytest

from engram.scripts import evaluate, plot, sweep, train
from engram.scripts.faults.errors import run
from engram.scripts.sweeps import launchers, trial
from run_files import TINY

TASK = (*TINY, "env=popgym/repeat_previous_easy", "total_env_steps=200", "logging.to=[]")
# All at once, 200 bytes of it, and what cannot stand beside the rest.
ODD = "-a\\,b\\\\ 'c' \"d\" $HOME 100% e=f,[g] {h} #;&*\nline\x1b[31m\u202e" + "é" * 70 + ".zip "
MORE = ["[a]", "'q'", '"q"', "null", "0..4", "~", "*", "{b}", " ", "true", "x\\", "[a", "${oc.env:HOME}"]


@pytest.fixture
def in_process(monkeypatch):
    """Trials of sweeps run in this process."""

    def start(words, log, threads, directory):
        with open(log, "a") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            code = run(lambda given: trial.main(list(given)), words)
        return types.SimpleNamespace(poll=lambda: code, stdin=io.StringIO())

    monkeypatch.setattr(launchers, "start_trial", start)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def use(folder, capsys, interpolates=False):
    """Train, continue, evaluate, compare, film and sweep in a folder; what a path option interpolates is left out."""
    run_dir, grid = folder / "run", ["core=lstm", "seed=0..0", "workers=1"]
    place = "run" if interpolates else run_dir
    assert train.command([*TASK, f"logging.run_dir={place}"]) == 0, capsys.readouterr().err
    assert train.command([f"resume={run_dir}", "total_env_steps=300"]) == 0, capsys.readouterr().err
    given = [f"run={place}", "episodes=2", "num_envs=1"]
    assert evaluate.command(given) == 0, capsys.readouterr().err
    where = "." if interpolates else folder
    assert plot.command([f"runs={where}", f"output={where}/report", "resamples=100", "archive=true"]) == 0
    words = [f"runs={where}/report/runs.zip", f"output={where}/again", "resamples=100"]
    assert plot.command(words) == 0, capsys.readouterr().err
    assert sweep.command([*TASK, *grid, f"dir={where}/sweep"]) == 0, capsys.readouterr().err
    assert (folder / "sweep/popgym/repeat_previous_easy/ppo-lstm/0/metrics.jsonl").exists()
    assert {"run", "report", "again", "sweep"} == set(names(folder))
    assert (run_dir / "evaluation/evaluation.json").exists() and (folder / "again/index.html").exists()
    printed = capsys.readouterr()
    assert not {"\x1b", "\u202e", "\r"} & set(printed.out + printed.err)


@pytest.mark.parametrize("name", [ODD, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)])
def test_a_folder_of_any_name(name, tmp_path, monkeypatch, capsys, in_process):
    (tmp_path / "home").mkdir()
    folder = tmp_path / name
    folder.mkdir()
    interpolates = "${" in name
    monkeypatch.chdir(folder if interpolates else tmp_path / "home")
    use(folder, capsys, interpolates)
    assert names(tmp_path / "home") == [] and names(tmp_path) == sorted(["home", name])


def test_a_folder_whose_name_is_no_unicode_is_gone_into(tmp_path, monkeypatch, capsys):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff"))
    folder.mkdir()
    assert train.command([*TASK, f"logging.run_dir={folder / 'run'}"]) == 2
    assert "An option is written in UTF-8" in capsys.readouterr().err and names(folder) == []
    monkeypatch.chdir(folder)
    assert train.command([*TASK, "logging.run_dir=run"]) == 0
    assert train.command(["resume=run", "total_env_steps=300"]) == 0
    assert (folder / "run/metrics.jsonl").exists()
