"""A run that is killed at any event of its files leaves a folder that fits its manifest and goes on to the same end."""

import os
import signal
import sys
import traceback
import warnings
from pathlib import Path

import pytest

from engram.run_files.manifest import check_texts, stream_run_metrics
from engram.scripts import train
from run_files import RECALL, assert_same_run

WORDS = (
    *RECALL,
    "core=lstm",
    "core.hidden_size=4",
    "agent.make_network.head_hidden_sizes=[4]",
    "agent.make_network.make_encoder.hidden_sizes=[4]",
    "num_envs=4",
    "total_env_steps=150",
    "agent.rollout_length=8",
    "agent.num_minibatches=2",
    "agent.num_epochs=1",
    "evaluation.interval=60",
    "evaluation.episodes=2",
    "evaluation.num_envs=2",
    "checkpoint.interval=40",
    "logging.progress=false",
    "logging.curve=false",
)
CHANGES = ("os.rename", "os.remove", "os.truncate", "os.mkdir", "shutil.rmtree")


def train_until(words, folder, event):
    """Train in a process of its own that is killed before the `event`-th change of a file; returns its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = iter(range(event))

    def kill_at(name, arguments):
        path = str(arguments[0]) if arguments else ""
        writes = (
            name == "open"
            and len(arguments) == 3
            and isinstance(arguments[2], int)
            and arguments[2] & os.O_CREAT
        )
        if (writes or name in CHANGES) and path.startswith(str(folder)) and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        warnings.simplefilter("error")
        # Between its two renames a checkpoint has only the name of the one before.
        warnings.filterwarnings("ignore", message=".*is missing. The previous one is used")
        with open(os.devnull, "w") as nowhere:
            sys.stdout = sys.stderr = nowhere
            sys.addaudithook(kill_at)
            train.main([*words])
        os._exit(0)
    except BaseException:
        Path(f"{folder}.error").write_text(traceback.format_exc())
        os._exit(1)


def begin_or_go_on(folder, event, *more):
    """The command that a person gives: the run's own, or the one that continues it where there is a configuration."""
    if (folder / "config.yaml").exists():
        words = (f"resume={folder}", *more)
    else:
        words = (*WORDS, f"logging.run_dir={folder}")
    code = train_until(words, folder, event)
    error = Path(f"{folder}.error")
    assert code in (0, -signal.SIGKILL), error.read_text() if error.exists() else code
    return code


@pytest.mark.slow
def test_kills_at_every_event(tmp_path):
    """Each run is killed at one event, then once more while it is begun again or continued, its log cut and mended."""
    whole = tmp_path / "whole"
    assert begin_or_go_on(whole, 10**9) == 0
    event, code = 0, None
    while code != 0:
        folder = tmp_path / f"killed-{event}"
        code = begin_or_go_on(folder, event)
        if code != 0:
            begin_or_go_on(folder, 3 + event % 17)
        if (folder / "config.yaml").exists():
            assert_fits(folder)
        assert begin_or_go_on(folder, 10**9) == 0
        assert_same_run(folder, whole)
        assert_fits(folder)
        event += 1
    print(f"killed at {event - 1} events")
    assert event > 40  # a beginning, four checkpoints, their logs and manifests


def assert_fits(folder):
    """Assert that a folder is what its manifest says, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Between its two renames a checkpoint has only the name of the one before.
        warnings.filterwarnings("ignore", message=".*is missing. The previous one is used")
        assert check_texts(folder) == []
        if (folder / "metrics.jsonl").exists():
            assert all(row["env_steps"] for row in stream_run_metrics(folder))
