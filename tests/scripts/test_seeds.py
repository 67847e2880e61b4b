"""Several seeds of one command: each is the run of a single one, whatever dies on the way."""

import signal

import pytest
from sweep_processes import kill_trial, lines_in, trial_processes, wait_for_none

from engram.command_line.resuming import resumed_config
from engram.scripts.seeds import training
from engram.scripts.seeds.line import SeedsLine, sentence_about
from engram.scripts.seeds.plan import SeedTrial
from engram.scripts.seeds.stored import SEEDS_FILE
from engram.scripts.seeds.training import train_seeds
from engram.scripts.sweeps.loop import FAILED, FINISHED, RUNNING, WAITING, TrialStatus
from engram.scripts.sweeps.trial import main as train_trial
from engram.scripts.sweeps.trial_state import TrialState
from run_files import RECALL, TINY, assert_same_run

COMMON = [word for word in TINY if not word.startswith(("logging", "total_env_steps"))]
COMMON += [*RECALL, "total_env_steps=1500", "evaluation.interval=500"]


@pytest.fixture(scope="module")
def single_runs(run, tmp_path_factory):
    """The runs of single commands, by seed."""
    folders = {seed: tmp_path_factory.mktemp("single") / str(seed) for seed in (3, 4)}
    for seed, folder in folders.items():
        result = run("train", *COMMON, f"seed={seed}", f"logging.run_dir={folder}")
        assert result.code == 0, result.err
    return folders


def test_seeds_that_are_killed_go_on_exactly(run, tmp_path, single_runs):
    """One seed is killed, then all of it; each is, to the bit, the run of a single command of its seed."""
    folder, killed = tmp_path / "both", []

    def all_is_to_die():
        if not killed:
            pid = trial_processes(tmp_path).get(folder / "3")
            if lines_in(folder / "3") >= 4 and kill_trial(tmp_path, folder / "3"):
                killed.append(pid)
            return False
        # Seed 3 must have been seen to die: the sentence about it precedes the process that goes on with it.
        follows = trial_processes(tmp_path).get(folder / "3") not in (None, *killed)
        return follows and lines_in(folder / "4") >= 8

    words = (*COMMON, "seeds=2", "seed=3", "workers=2")
    first = run("train", *words, f"logging.run_dir={folder}", kill_when=all_is_to_die)
    assert first.code == -signal.SIGKILL and killed, first.err
    assert f"training 2 seeds, 2 at a time, in {folder}" in first.err
    sentence = (
        "seed 3: killed by signal 9 (Killed); it goes on from its last checkpoint, the others are not touched"
    )
    assert sentence in first.err.splitlines()
    wait_for_none(tmp_path)
    second = run("train", f"resume={folder}")
    assert second.code == 0, second.err
    assert f"2 of 2 seeds finished: {folder}" in second.err
    assert second.out.startswith("last evaluation: mean ") and "(2 seeds; of fewer than 5" in second.out
    assert second.out.splitlines()[-1] == f"learning curve: {folder}/learning_curve.png"
    assert (folder / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    for seed, single in single_runs.items():
        assert_same_run(folder / str(seed), single)


class InTurn:
    """Trains in this process, in the place of a pool; a code of a script is a process that ended so."""

    def __init__(self, codes):
        self.codes, self.ran, self.waiting = codes, [], []

    def __call__(self, workers, threads):
        self.workers = workers
        return self

    def has_room(self):
        return True

    def start(self, name, words, log):
        code = self.codes.get(name, 0)
        log.write_text("error: The loss of PPO is NaN.\n" if code else "")
        if not code:
            train_trial(list(words))
        self.ran.append(name)
        self.waiting.append((name, code))

    def ended(self):
        ended, self.waiting = self.waiting, []
        return ended

    def stop(self):
        pass

    def close(self):
        pass


def test_a_seed_that_fails_leaves_the_others(tmp_path, monkeypatch, capsys, single_runs):
    """And goes on later; a folder gets more seeds, and what has finished stays as it is."""
    pool = InTurn({"3": 3})
    monkeypatch.setattr(training, "LocalPool", pool)
    folder = tmp_path / "seeds"
    assert not train_seeds([*COMMON, "seed=3", "seeds=1", f"logging.run_dir={folder}"])
    err = capsys.readouterr().err.splitlines()
    assert "seed 3: The loss of PPO is NaN; it is left at 0 steps, the others go on" in err
    assert f"0 of 1 seeds finished: {folder}" in err
    assert err[-1] == f"what has failed goes on with: engram train resume={folder}"
    pool.codes = {}
    assert train_seeds([f"resume={folder}", "seeds=2", "workers=5"])
    assert pool.ran == ["3", "3", "4"] and pool.workers == 5
    assert_same_run(folder / "4", single_runs[4])
    stored = (folder / SEEDS_FILE).read_text()
    assert "first: 3\ncount: 2\n" in stored and "workers" not in stored
    assert "\nseeds:" not in (folder / "4" / "config.yaml").read_text()
    assert resumed_config(folder / "4", [])["seeds"] is None
    assert train_seeds([f"resume={folder}"]) and pool.ran == ["3", "3", "4"]
    out = capsys.readouterr().out
    assert out.count("last evaluation: mean") == 2


def status(seed, kind, steps=0, value=None, reason=""):
    entry = TrialStatus(SeedTrial({"seed": str(seed)}), None, None, kind, TrialState(steps, value))
    entry.reason = reason
    return entry


def test_one_line_for_all_seeds(capsys):
    now = [0.0]
    seeds = [
        status(0, RUNNING, 250, 0.5),
        status(1, FINISHED, 700, 1.0),
        status(2, WAITING),
        status(3, FAILED),
    ]
    with SeedsLine(seeds, 1000, clock=lambda: now[0]) as line:
        now[0], seeds[0].state = 10.0, TrialState(750, 0.5)
        line.report(None)
        assert capsys.readouterr().err.splitlines() == [
            "2,750/4,000  4 seeds: 1 running, 1 finished, 1 failed  return 0.75 (2 seeds)  0:00:25 left  50 steps/s"
        ]
        now[0] = 11.5
        line.report(seeds[1])
        assert capsys.readouterr().err == "seed 1 finished after 700 steps, return 1.000\n"
    assert line.line(20) == "2,750/4,000"
    assert sentence_about(status(2, WAITING)) == sentence_about(seeds[0]) == ""


def test_a_command_that_shows_no_progress_still_says_what_is_lost(capsys):
    seeds = [status(0, RUNNING)]
    now = [0.0]
    with SeedsLine(seeds, 1000, enabled=False, clock=lambda: now[0]) as line:
        now[0] = 100.0
        line.report(None)
        line.report(status(0, FAILED, reason="error: A sentence."))
    assert capsys.readouterr().err == "seed 0: A sentence; it is left at 0 steps, the others go on\n"
