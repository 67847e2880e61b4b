"""A sweep's runs are those of single commands, whatever dies on the way."""

import fcntl
import random
import time

import pytest
from sweep_processes import kill_trial, lines_in, trial_processes, wait_for_none
from toy_modules import write_modules

from run_files import RECALL, TINY, assert_refused, assert_same_run, metric_lines, snapshot

COMMON = [word for word in TINY if not word.startswith(("core=", "logging.progress"))]


def single_run(run, folder, *words):
    """The run that a command of `engram train` makes of the same options."""
    result = run("train", *COMMON, *words, f"logging.run_dir={folder}")
    assert result.code == 0, result.err
    return folder


def test_a_killed_sweep_continues_exactly(run, tmp_path):
    """A trial is killed, then the sweep itself; nothing outlives it, and the same command finishes the work."""
    words = (*RECALL, "total_env_steps=3000")
    sweep = ("sweep", *COMMON, *words, "core=lstm,gru", f"sweep.dir={tmp_path}/sweep", "workers=1")
    lstm, gru = (tmp_path / "sweep/diagnostic/recall_first" / f"ppo-{core}" / "0" for core in ("lstm", "gru"))
    killed = []

    def driver_is_to_die():
        if not killed and lines_in(lstm) >= 8 and kill_trial(tmp_path, lstm):
            killed.append("lstm")
        return lines_in(gru) >= 8

    first = run(*sweep, kill_when=driver_is_to_die)
    assert first.code == -9 and killed, first.err
    assert "again" in first.err and "killed by signal 9" in first.err
    assert wait_for_none(tmp_path) < 30
    lines, finished = metric_lines(gru), snapshot(lstm)
    assert 8 <= len(lines) < len(metric_lines(lstm))
    second = run(*sweep)
    assert second.code == 0, second.err
    assert "2 of 2 trials finished" in second.err and snapshot(lstm) == finished
    folder = tmp_path / "sweep"
    report = f"to compare them: engram plot runs={folder} output={folder / 'report'}"
    assert second.err.splitlines()[-1] == report
    assert "ppo-lstm" not in second.err
    for core, run_dir in (("lstm", lstm), ("gru", gru)):
        assert_same_run(run_dir, single_run(run, tmp_path / core, *words, f"core={core}"))
    before = snapshot(tmp_path / "sweep" / "diagnostic")
    assert run(*sweep).code == 0
    assert snapshot(tmp_path / "sweep" / "diagnostic") == before


def test_failures_are_named_and_harm_no_other(run, tmp_path):
    modules = write_modules(tmp_path)
    fragile = ["core._target_=my_package.Fragile", "+core.hidden_size=8", "+core.calls=20"]
    overrides = ", ".join(
        f"{{when: {{seed: {seed}}}, set: ['+core.fate={fate}']}}"
        for seed, fate in enumerate(("error", "none"))
    )
    words = [word for word in COMMON if not word.startswith("core")]
    words += [*RECALL, "core=custom", *fragile, "seed=0..1", "allow=[my_package]", "retries=1", "workers=2"]
    result = run(
        "sweep",
        *words,
        f"sweep.overrides=[{overrides}]",
        f"dir={tmp_path}/sweep",
        cwd=tmp_path,
        path=[modules],
    )
    assert result.code == 1, result.err
    runs = tmp_path / "sweep/diagnostic/recall_first/ppo-custom"
    failures = [line for line in result.err.splitlines() if line.startswith("failed:")]
    assert len(failures) == 1 and "1 of 2 trials finished" in result.err
    assert f"{runs}/0: RuntimeError: the core is broken" in failures[0]
    assert "again" not in result.err  # the user's own code would raise it again
    log = (tmp_path / "sweep/logs/diagnostic/recall_first/ppo-custom/0.log").read_text()
    assert log.count("RuntimeError: the core is broken") == 1
    assert len(metric_lines(runs / "1")) > 5


def test_one_process_writes_to_a_folder(run, trained, tmp_path):
    with (trained / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert_refused(run("train", f"resume={trained}"), "One process at a time may write to")
    words = (*TINY, f"sweep.dir={tmp_path}")
    (tmp_path / "lock").touch()
    with (tmp_path / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert_refused(run("sweep", *words), "One process at a time may write to")
    assert_refused(run("train", *TINY, f"logging.run_dir={trained}"), "needs a folder of its own.*resume=")


WRONG = {
    "core=lstm,ltsm": "core must be one of .*'ltsm'",
    "core=mlp,lstm core.init=chrono": r"'core\.init'",
    "seed=4..1": r"write 1\.\.4",
    "env=popgym/no_*": "fits none",
    "resume=runs/x": "continues its runs itself",
    "logging.run_dir=x": "sweep.dir=<folder>",
    "launcher=slurm": "sweep.launcher must be one of local, ray, but got 'slurm'",
    "workers=0": "sweep.workers must be a whole number of at least 1",
    "sweep.wrokers=2": r"did you mean 'sweep\.workers'",
    "sweep.workers=1,2": "an option of training",
    "match_parameters=100": "smallest width",
    "match_parameters=1000 core.hidden_size=8": "leave one of them out",
    "sweep.overrides=[3]": "sweep.overrides must be a list",
    "sweep.overrides=[{when:{foo:1},set:[]}]": "must name axes, .*but got 'foo'",
    "total_env_steps=x": "total_env_steps must be",
    "agent.gamma=0.5,2": "gamma of PPO must be a number from 0 to 1",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_sweeps(run, tmp_path, words):
    common = [word for word in COMMON if not word.startswith("core")]
    result = run("sweep", *common, f"dir={tmp_path}/sweep", *words.split())
    lines = [line for line in result.err.splitlines() if not line.startswith("choosing")]
    result = type(result)(result.code, result.out, "\n".join(lines))
    assert_refused(result, WRONG[words])
    assert not (tmp_path / "sweep").exists()


def test_help_describes_the_sweep(run):
    text = run("sweep", "--help", "all").out
    assert all(
        word in text for word in ("engram sweep", "gpus_per_trial", "core_comparison", "total_env_steps")
    )


@pytest.mark.slow
def test_random_kills_of_trials_and_sweeps(run, tmp_path):
    """Four trials, two at a time; at least eight kills of trials and four of sweeps at random moments."""
    random.seed("sweep kills")
    words = (*RECALL, "total_env_steps=4000")
    folder = tmp_path / "sweep"
    sweep = (
        "sweep",
        *COMMON,
        *words,
        "core=lstm,s5",
        "seed=0..1",
        f"dir={folder}",
        "workers=2",
        "retries=50",
    )
    kills = {"trials": 0, "sweeps": 0}
    result = None
    while result is None or result.code != 0:
        assert result is None or result.code == -9, result.err
        deadline = time.monotonic() + random.uniform(3, 20)
        next_kill = time.monotonic() + random.uniform(1, 8)

        def is_due(deadline=deadline, next_kill=[next_kill]):  # noqa: B006
            if time.monotonic() > next_kill[0] and kills["trials"] < 8:
                next_kill[0] = time.monotonic() + random.uniform(1, 8)
                running = sorted(trial_processes(folder))
                kills["trials"] += bool(running) and kill_trial(folder, random.choice(running))
            return kills["sweeps"] < 4 and time.monotonic() > deadline

        result = run(*sweep, kill_when=is_due)
        kills["sweeps"] += result.code == -9
        assert result.code in (0, -9), result.err
        wait_for_none(folder)
    print(kills)
    for core in ("lstm", "s5"):
        for seed in (0, 1):
            whole = single_run(run, tmp_path / f"{core}-{seed}", *words, f"core={core}", f"seed={seed}")
            assert_same_run(folder / "diagnostic/recall_first" / f"ppo-{core}" / str(seed), whole)


@pytest.mark.slow
def test_ray_gives_the_same_runs(run, tmp_path):
    pytest.importorskip("ray")
    words = (*RECALL, "total_env_steps=1500")
    sweep = ("sweep", *COMMON, *words, "core=lstm,gru", f"dir={tmp_path}/sweep", "workers=2", "launcher=ray")
    gru = tmp_path / "sweep/diagnostic/recall_first/ppo-gru/0"
    first = run(*sweep, kill_when=lambda: lines_in(gru) >= 4)
    assert first.code == -9, first.err
    wait_for_none(tmp_path)
    second = run(*sweep)
    assert second.code == 0, second.err
    for core in ("lstm", "gru"):
        whole = single_run(run, tmp_path / core, *words, f"core={core}")
        assert_same_run(tmp_path / "sweep/diagnostic/recall_first" / f"ppo-{core}" / "0", whole)
