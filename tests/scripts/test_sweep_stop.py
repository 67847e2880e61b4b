"""A sweep that is asked to stop lets its trials save, and a sweep that is repeated removes nothing of worth."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
from command_server import ROOT
from sweep_processes import lines_in, wait_for_none

from engram.common.errors import UsageError, WorkerFault
from engram.run_files.outputs import check_writable_file
from engram.run_files.unbegun import is_unbegun
from engram.scripts.sweeps import trial
from engram.scripts.sweeps.launchers import RayPool
from engram.scripts.sweeps.trial_state import TrialState, failure_reason, stored_state
from engram.scripts.train import main as train
from engram.training.actors import ray_cluster
from engram.training.session import Session
from run_files import RECALL, TINY, forge, snapshot

COMMON = [word for word in TINY if not word.startswith(("core=", "logging.progress", "checkpoint.interval"))]


def started_sweep(words):
    """A sweep in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "engram.scripts.sweep", *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_a_stopped_sweep_loses_nothing(tmp_path, number):
    """Asked to stop it passes that on and waits; killed, its trial sees that it is gone: both times the trial saves."""
    words = [*COMMON, *RECALL, "core=gru", "total_env_steps=100000", f"sweep.dir={tmp_path}/a sweep"]
    run_dir = tmp_path / "a sweep/diagnostic/recall_first/ppo-gru/0"
    with started_sweep(words) as sweep:
        deadline = time.monotonic() + 200
        while lines_in(run_dir) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        sweep.send_signal(number)
        err = sweep.communicate()[1]
    wait_for_none(tmp_path)
    if number == signal.SIGINT:
        assert sweep.returncode == 130
        assert f"engram sweep {' '.join(words[:-1])} 'sweep.dir={tmp_path}/a sweep'" in err
    # No checkpoint was due: this one is of the moment.
    state = stored_state(run_dir)
    assert 4 * 48 <= state.env_steps < 100_000 and not state.finished


def test_a_finished_run_without_its_checkpoints_stays(run, trained, tmp_path):
    """To free space, `latest` was removed: it counts as finished, and all that is left stays as it is."""
    run_dir = tmp_path / "popgym/repeat_previous_easy/ppo-lstm/0"
    shutil.copytree(trained, run_dir)
    for path in run_dir.glob("checkpoints/latest*"):
        path.unlink()
    (run_dir / "evaluation").mkdir()
    (run_dir / "evaluation" / "mine.json").write_text("{}")
    before = snapshot(run_dir)
    words = [word for word in TINY if not word.startswith("logging")]
    again = run("sweep", *words, f"sweep.dir={tmp_path}")
    assert again.code == 0 and "1 of 1 trials finished" in again.err, again.err
    assert snapshot(run_dir) == before
    # A budget that it has not reached: it cannot go on, and says so.
    text = (run_dir / "config.yaml").read_text().replace("\ntotal_env_steps: 600", "\ntotal_env_steps: 700")
    forge(run_dir, "config.yaml", text)
    assert stored_state(run_dir).env_steps >= 600 and not stored_state(run_dir).finished
    before = snapshot(run_dir)
    with pytest.raises(UsageError, match="has none and holds other results"):
        trial.main([str(run_dir), *words])
    assert snapshot(run_dir) == before


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """The folder of a run that was stopped before its first checkpoint."""
    monkeypatch.setattr(Session, "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train([*TINY, *RECALL, f"logging.run_dir={tmp_path / 'run'}"])
    return tmp_path / "run"


@pytest.fixture
def commands(monkeypatch):
    """The commands of training that a trial gives."""
    given = []
    monkeypatch.setattr(trial, "train", given.append)
    return given


def test_a_run_that_was_never_begun_begins_in_place(begun, commands):
    assert {path.name for path in begun.iterdir()} >= {"config.yaml", "metrics.jsonl", "command.json"}
    (begun / "checkpoints" / "latest.safetensors.tmp").touch()
    (begun / "notes.txt").write_text("mine")
    before = snapshot(begun)
    assert is_unbegun(begun) and stored_state(begun) == TrialState()
    trial.main([str(begun), "seed=1", "threads=2", "allow=[mine]"])
    assert commands == [[f"resume={begun}", "threads=2", "allow=[mine]"]]
    assert snapshot(begun) == before


def test_a_folder_without_a_configuration_gets_a_new_run(tmp_path, commands):
    (tmp_path / "checkpoints").mkdir()
    trial.main([str(tmp_path), "seed=1"])
    assert commands == [["seed=1", f"logging.run_dir={tmp_path}", "logging.progress=false"]]
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="has none and holds other results; put its"):
        trial.main([str(tmp_path), "seed=1"])
    assert len(commands) == 1


@pytest.mark.parametrize("name", ["checkpoints/best.safetensors", "metrics.jsonl"])
def test_what_holds_something_stays(begun, commands, name):
    (begun / name).write_text('{"env_steps": 16}\n')
    before = snapshot(begun)
    with pytest.raises(UsageError, match="has none and holds other results; put its"):
        trial.main([str(begun), "seed=1"])
    assert snapshot(begun) == before and not commands


def fail_in_a_library(words):
    return json.loads("no JSON")


def be_refused(words):
    check_writable_file("output", Path("/none/there/file"))


@pytest.mark.parametrize(("fail", "code"), [(fail_in_a_library, 4), (be_refused, 2)])
def test_an_error_of_the_users_code_has_an_exit_code_of_its_own(monkeypatch, capfd, fail, code):
    """A sweep does not try again what would fail again; the log keeps the traceback."""
    monkeypatch.setattr(trial, "main", fail)
    monkeypatch.setattr(trial, "end_with_the_launcher", lambda: None)
    monkeypatch.setattr(sys, "argv", ["trial", "run"])
    assert trial.command() == code
    err = capfd.readouterr().err
    assert ("in fail_in_a_library" in err and err.rstrip().endswith("(char 0)")) == (code == 4), err


def test_a_trial_whose_worker_was_killed_is_tried_again(monkeypatch, capfd):
    """As one is that was killed itself; a run of its own ends with 2."""

    def lose_a_worker(words):
        raise UsageError("A sentence.") from WorkerFault("It was ended by SIGKILL.")

    for module in (
        "engram.scripts.faults.errors",
        "engram.scripts.sweeps.trial",
    ):  # this file is no code of a user's
        monkeypatch.setattr(f"{module}.place_in_user_code", lambda error: None)
    monkeypatch.setattr(trial, "main", lose_a_worker)
    monkeypatch.setattr(trial, "end_with_the_launcher", lambda: None)
    monkeypatch.setattr(sys, "argv", ["trial", "run"])
    assert trial.command() == 1
    assert capfd.readouterr().err == "error: A sentence.\n"


@pytest.mark.parametrize(
    ("text", "free", "reason"),
    [
        ("before\n\nerror: A sentence.\n\n", 0, "error: A sentence."),
        ("before\n", 1 << 20, "exit code 2"),
        ("before\n", 100, "exit code 2; the disk that its log is on is full"),
        (None, 1 << 20, "exit code 2; its log is gone: was the sweep's folder moved?"),
    ],
)
def test_why_a_trial_failed_is_told_without_its_log(monkeypatch, tmp_path, text, free, reason):
    log = tmp_path / "0.log"
    if text is not None:
        log.write_text(text)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=free))
    assert failure_reason(2, log, len("before\n")) == reason


class Ray:
    """Stands in for the package: keeps what it was started with."""

    def __init__(self):
        self.started = []
        self.cloudpickle = types.SimpleNamespace(register_pickle_by_value=lambda module: None)

    def init(self, address, **options):
        self.started.append([address, *map(os.environ.get, ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"))])

    def remote(self, **options):
        return lambda function: function


def test_ray_on_this_machine_is_started_with_a_token_of_its_own(monkeypatch):
    """It listens on all interfaces; a cluster that is named, and what the user has arranged, stay as they are."""
    ray = Ray()
    # There to be imported, and not imported yet: what was before has read no token.
    monkeypatch.setattr(ray_cluster, "import_ray", lambda option, instead: ray)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, "x")  # put back at the end, whatever happens to it
        monkeypatch.delenv(name)
    RayPool(1, "auto", 0.0, 1)
    RayPool(1, None, 0.0, 1)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.delenv(name)
    RayPool(1, None, 0.0, 1)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "mine")
    RayPool(1, None, 0.0, 1)
    (named, first, second, last) = ray.started
    assert named == ["auto", None, None] and last == ["local", "disabled", "mine"]
    assert first[:2] == second[:2] == ["local", "token"]
    assert len(first[2]) == len(second[2]) == 64 and first[2] != second[2]
