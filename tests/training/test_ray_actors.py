"""Actors of Ray itself: the same parameters for any number of them, kills, and how old rows become."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from ranked_runs import QUIET, train_alone
from safetensors.torch import load_file

from engram.training.session import Session

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc"),
]
if importlib.util.find_spec("ray") is None:
    pytest.skip("Ray is not installed", allow_module_level=True)


@pytest.fixture(autouse=True)
def imported_before(monkeypatch):
    """Where another test has imported Ray it is too late for a token."""
    if "ray" in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


WORDS = [
    *(
        "sampler=ray",
        "agent=impala",
        "core=gru",
        "core.hidden_size=8",
        "num_envs=16",
        "evaluation.interval=null",
    ),
    *("agent.rollout_length=8", "agent.num_minibatches=2", "agent.make_network.head_hidden_sizes=[16]"),
    "agent.make_network.make_encoder.hidden_sizes=[16]",
    *("env=custom", "env._target_=delayed_envs.Delayed", "allow=[delayed_envs]"),
]


def different(one, other):
    """Names of the tensors in which two runs' last checkpoints differ by a bit."""
    a, b = (load_file(run / "checkpoints" / "latest.safetensors") for run in (one, other))
    assert a.keys() == b.keys()
    return [name for name in a if not a[name].equal(b[name])]


def train_in_process(*words):
    """Start `engram train` in a process of its own; gives it, and the mark that it and all it starts have."""
    mark = uuid.uuid4().hex
    paths = [os.path.dirname(__file__), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    process = subprocess.Popen(
        [sys.executable, "-m", "engram.scripts.train", *QUIET, *words],
        env={**os.environ, "MARK": mark, "PYTHONPATH": os.pathsep.join(paths)},
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, mark


def marked(mark, name=""):
    """Processes with a mark whose command line has a name in it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            has_mark = entry.name.isdigit() and f"MARK={mark}".encode() in (entry / "environ").read_bytes()
            if has_mark and name in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_for(is_so, seconds=900, process=None):
    until = time.monotonic() + seconds
    while not is_so():
        assert process is None or process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)


def num_lines(run_dir):
    path = run_dir / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_lockstep_is_the_same_run_for_1_2_and_4_actors_with_random_delays(tmp_path):
    for count in (1, 2, 4):
        train_alone(
            *WORDS, f"actors.count={count}", "total_env_steps=2600", "+env.at_random=0.02",
            f"logging.run_dir={tmp_path / str(count)}",
        )  # fmt: skip
    assert different(tmp_path / "1", tmp_path / "2") == []
    assert different(tmp_path / "1", tmp_path / "4") == []


def test_killed_learners_and_actors_change_no_bit_and_leave_nothing_running(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = [*WORDS, "total_env_steps=4000", "checkpoint.interval=300", "+env.at_random=0.02"]
    process, _ = train_in_process(*options, f"logging.run_dir={whole}")
    assert process.communicate()[1].count("note:") == 0
    process, mark = train_in_process(*options, f"logging.run_dir={killed}")
    wait_for(lambda: num_lines(killed) >= 8, process=process)
    os.kill(marked(mark, "ray::Actor")[0], signal.SIGKILL)  # others of Ray end the whole machine
    wait_for(lambda: num_lines(killed) >= 16, process=process)
    process.kill()
    assert "has ended and is started anew where it was" in process.communicate()[1]
    wait_for(lambda: not marked(mark))
    process, mark = train_in_process(f"resume={killed}", "allow=[delayed_envs]", "actors.count=4")
    assert "done after" in process.communicate()[1]
    assert different(whole, killed) == []
    wait_for(lambda: not marked(mark))


def test_free_actors_with_one_fifty_times_slower_keep_the_bound_and_every_row(tmp_path, monkeypatch):
    lags, counts, close = [], [], Session.close

    def count(session):
        driver = session.driver
        counts.append((driver.crew.rows_collected(), driver.version * 16 * 8, driver.rows_in_flight))
        close(session)

    monkeypatch.setattr(
        Session,
        "note_episodes",
        lambda session, _: lags.append(session.driver.measured["actors/largest_lag"]),
    )
    monkeypatch.setattr(Session, "close", count)
    train_alone(
        *WORDS, "actors.mode=free", "actors.count=4", "actors.lag=4", "total_env_steps=4000",
        "+env.slow_from=12", "+env.slow=0.1", "+env.at_random=0.004", f"logging.run_dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert max(lags) == 4
    ((collected, learnt, in_flight),) = counts
    assert in_flight == 2 * 16 * 8 and collected == learnt + in_flight


def test_a_signal_saves_and_ends_all(tmp_path):
    run_dir = tmp_path / "run"
    process, mark = train_in_process(*WORDS, "total_env_steps=10_000_000", f"logging.run_dir={run_dir}")
    wait_for(lambda: num_lines(run_dir) >= 3, process=process)
    process.send_signal(signal.SIGTERM)
    assert "stopped; it goes on from step" in process.communicate()[1]
    wait_for(lambda: not marked(mark))


def test_a_mistake_of_the_users_own_keeps_its_traceback(tmp_path):
    words = [word for word in WORDS if not word.startswith(("env", "allow"))]
    (tmp_path / "broken_envs.py").write_text(
        "from engram.envs.diagnostic import RecallFirst\n\n\nclass Broken(RecallFirst):\n"
        "    def step_sampled(self, action):\n        return {}['nothing']\n"
    )
    custom = ["env=custom", "env._target_=broken_envs.Broken", "allow=[broken_envs]"]
    process = subprocess.run(
        [sys.executable, "-m", "engram.scripts.train", *QUIET, *words, *custom],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}"},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "KeyError was raised by code of your own, not by Engram" in process.stderr
    assert "broken_envs.py" in process.stderr and "return {}['nothing']" in process.stderr
