"""The loop over trials with processes that are only played: retries, final failures, counts, and what is shown."""

from pathlib import Path

import pytest
from rich.console import Console

from engram.scripts.sweeps.grid import make_trials
from engram.scripts.sweeps.loop import (
    FAILED,
    FINISHED,
    RUNNING,
    WAITING,
    ListedTrials,
    read_statuses,
    run_trials,
)
from engram.scripts.sweeps.summary import summary_lines
from engram.scripts.sweeps.table import SweepTable, plain_line
from engram.scripts.sweeps.time_left import time_left
from engram.scripts.sweeps.trial_state import TrialState

AXES = {"agent": ["ppo"], "core": ["lstm", "gru"], "env": ["diagnostic/t_maze"], "seed": ["0", "1"]}


class PlayedLauncher:
    """Ends each process at the next look, with the exit codes of a script."""

    def __init__(self, codes, workers=2):
        self.codes, self.workers = {name: list(values) for name, values in codes.items()}, workers
        self.running, self.started, self.most = [], [], 0

    def has_room(self):
        return len(self.running) < self.workers

    def start(self, name, words, log):
        log.open("a").write("Traceback …\nRuntimeError: it broke\n\n")
        self.running.append(name)
        self.started.append(name)
        self.most = max(self.most, len(self.running))

    def ended(self):
        ended, self.running = self.running, []
        return [(name, self.codes.get(name, [0]).pop(0)) for name in ended]

    def close(self):
        pass


def play(tmp_path, codes, retries=2):
    statuses = read_statuses(make_trials(AXES, {}, []), tmp_path)
    launcher, seen = PlayedLauncher(codes), []
    run_trials(
        ListedTrials(statuses),
        launcher,
        retries,
        lambda entry: seen.append(plain_line(entry)) if entry else None,
    )
    return {entry.trial.folder.as_posix(): entry for entry in statuses}, launcher, seen


def timed(times):
    """Trials as they stand at second 100; `times` gives status and seconds, of a running one since when."""
    statuses = read_statuses(make_trials(AXES, {}, []), Path("none"))
    for entry, (status, seconds) in zip(statuses, times, strict=True):
        entry.status, entry.attempts = status, int(status != WAITING)
        if status == RUNNING:
            entry.started = 100.0 - seconds
        else:
            entry.seconds = seconds
    return statuses


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([(FINISHED, 60), (RUNNING, 20), (WAITING, 0), (WAITING, 0)], 40 + 60 + 60),  # lstm, gru, lstm, gru
        ([(FINISHED, 60), (FINISHED, 20), (WAITING, 0), (WAITING, 0)], 60 + 20),
        ([(FINISHED, 60), (FINISHED, 20), (RUNNING, 10), (RUNNING, 30)], 50),
        ([(FINISHED, 60), (RUNNING, 70), (RUNNING, 0), (WAITING, 0)], 60),
        ([(RUNNING, 70), (RUNNING, 0), (WAITING, 0), (WAITING, 0)], None),
        ([(FINISHED, 60), (FINISHED, 20), (FAILED, 5), (FINISHED, 30)], None),
    ],
)
def test_the_time_left_is_told_from_finished_trials(times, expected):
    assert time_left(timed(times), now=100.0) == expected


def test_trials_of_an_earlier_call_foretell_nothing():
    statuses = timed([(FINISHED, 0), (RUNNING, 20), (WAITING, 0), (WAITING, 0)])
    statuses[0].attempts = 0
    assert time_left(statuses, now=100.0) is None


@pytest.mark.parametrize("code", [130, 143, -15])
def test_trials_that_were_asked_to_stop_wait_for_the_next_call(tmp_path, code):
    """They have saved: nothing about them is said to be wrong, and none is started again."""
    statuses, seen, answers = read_statuses(make_trials(AXES, {}, []), tmp_path), [], iter([False])
    names = [entry.trial.folder.as_posix() for entry in statuses]
    launcher = PlayedLauncher({name: [code] for name in names})
    launcher.stop = lambda: None
    launcher.ended = lambda end=launcher.ended: [] if len(seen) < 3 else end()
    report = lambda entry: seen.append(plain_line(entry).split("  ")[0] if entry else "")  # noqa: E731
    run_trials(ListedTrials(statuses), launcher, 2, report, lambda: next(answers, True))
    assert [line for line in seen if line] == ["running", "running", "waiting", "waiting"]
    assert len(launcher.started) == 2 and {entry.reason for entry in statuses} == {""}


def test_the_time_left_is_shown(capsys):
    statuses = timed([(FINISHED, 60), (FINISHED, 20), (WAITING, 0), (WAITING, 0)])
    SweepTable(statuses).report(statuses[1])
    assert "4 trials: 2 finished, 2 waiting; about 0:01:20 left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("codes", "attempts", "status", "reason"),
    [
        ([1, -11, 0], 3, FINISHED, ""),
        ([1, 1, 1], 3, FAILED, "RuntimeError: it broke"),
        ([-9, -9, -9], 3, FAILED, "killed by signal 9 (Killed)"),
        ([2], 1, FAILED, "RuntimeError: it broke"),
        ([3], 1, FAILED, "RuntimeError: it broke"),
        ([4], 1, FAILED, "RuntimeError: it broke"),  # raised by code of the user's own
    ],
)
def test_crashes_come_again_and_mistakes_do_not(tmp_path, codes, attempts, status, reason):
    name = "diagnostic/t_maze/ppo-lstm/0"
    entries, launcher, seen = play(tmp_path, {name: codes})
    assert entries[name].attempts == launcher.started.count(name) == attempts
    assert (entries[name].status, entries[name].reason) == (status, reason)
    assert all(entry.status == FINISHED for key, entry in entries.items() if key != name)
    assert len(launcher.started) == 3 + attempts and launcher.most == 2
    assert sum(line.startswith("again") for line in seen) == attempts - 1


def test_table_and_summary_show_what_there_is(tmp_path):
    entries, *_ = play(tmp_path, {"diagnostic/t_maze/ppo-lstm/0": [2]})
    for value, entry in zip((0.25, 0.5, 0.75, 1.0), entries.values(), strict=True):
        entry.state = TrialState(1000, value, True)
    console = Console(width=200, record=True, file=(tmp_path / "out").open("w"))
    console.print(SweepTable(list(entries.values())).table())
    text = console.export_text()
    assert "4 trials: 1 failed, 3 finished" in text and "failed: RuntimeError: it broke" in text
    assert "1,000" in text and "0.750" in text
    assert summary_lines(list(entries.values()))[2:] == [
        "| gru | diagnostic/t_maze | 2 | 0.750 ± 0.250 |  |  |",
        "| lstm | diagnostic/t_maze | 1 | 0.750 |  |  |",
    ]


def test_agents_are_rows_of_their_own_in_the_summary():
    statuses = read_statuses(
        make_trials(AXES | {"agent": ["ppo", "r2i"], "core": ["gru"]}, {}, []), Path("none")
    )
    for entry in statuses:
        entry.status, entry.state = (
            FINISHED,
            TrialState(8, {"ppo": 0.25, "r2i": 0.75}[entry.trial.values["agent"]], True),
        )
    assert summary_lines(statuses) == [
        "| agent | core | env | seeds | return | parameters | carry bytes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| ppo | gru | diagnostic/t_maze | 2 | 0.250 ± 0.000 |  |  |",
        "| r2i | gru | diagnostic/t_maze | 2 | 0.750 ± 0.000 |  |  |",
    ]
