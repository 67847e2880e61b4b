"""Runs that are killed, terminated and interrupted at random moments are, in the end, the undisturbed run."""

import random
import re
import signal
import time
from collections import Counter

import pytest

from engram.training.stop_request import SIGNALS
from run_files import (
    RECALL,
    TINY,
    TINY_WORLD_MODEL,
    assert_same_run,
    assert_tensorboard_follows_metrics,
    checkpoint_values,
    metric_lines,
)

# No checkpoint is due by steps: all are by the clock, twice a second, or by a signal.
SAVING = ("checkpoint.interval=100_000", "checkpoint.interval_minutes=0.008")
PPO = (*(word for word in TINY if not word.startswith("checkpoint")), *SAVING, "total_env_steps=3000")
WORLD_MODEL = (
    *TINY_WORLD_MODEL,
    "agent.train_ratio=4",
    "total_env_steps=1200",
    "evaluation.interval=300",
    "evaluation.episodes=4",
    "evaluation.num_envs=2",
    "logging.progress=false",
    "logging.curve=false",
    "agent.replay.capacity_bytes=20_000",
    "agent.replay.prefill=100",
    "agent.replay.log_interval=60",
    *SAVING,
)
PACKAGE = ("env=popgym/repeat_previous_easy", "env.backend=package")
CASES = {
    "ppo": (*PPO, *RECALL),
    "ppo, one environment": (*PPO, *PACKAGE, "num_envs=1", "agent.num_minibatches=1"),
    "world model": (*WORLD_MODEL, *RECALL),
    "world model, one environment": (*WORLD_MODEL, *PACKAGE, "num_envs=1"),
}
WRITING, RENAMING = "SIGKILL in a write", "SIGKILL between the renames"
# Of each case; four cases make 52 SIGKILLs, and 20 of each of the others.
INTERRUPTIONS = ["SIGKILL"] * 8 + [WRITING] * 3 + [RENAMING] * 2 + ["SIGTERM"] * 5 + ["SIGINT"] * 5


@pytest.fixture(scope="module")
def tally():
    """Counts of interruptions and the largest loss of work by kind; printed at the end."""
    counts, steps, seconds = Counter(), Counter(), Counter()
    yield counts, steps, seconds
    for kind, count in counts.items():
        print(f"{kind}: {count}; largest loss {steps[kind]} env steps, {seconds[kind]:.2f} seconds")


def newest(folder):
    """The newest run in a folder that has a checkpoint, if there is one."""
    runs = {path.parent.parent for path in folder.rglob("checkpoints/latest*.safetensors")}
    return max(runs, key=lambda run_dir: (run_dir / "config.yaml").stat().st_ctime, default=None)


def in_a_write(folder):
    """A checkpoint is being written, and it is not the first."""
    return any(path.with_suffix("").exists() for path in folder.rglob("checkpoints/latest.safetensors.tmp"))


def between_renames(folder):
    """The checkpoint before is set aside, and the new one not yet in its place."""
    paths = folder.rglob("checkpoints/latest.previous.safetensors")
    return any(not path.with_name("latest.safetensors").exists() for path in paths)


def interrupt(run, words, folder, kind, duration):
    """Begin or continue a run and interrupt it; returns the result and whether the interruption met it."""
    run_dir = newest(folder)
    own = (*words, f"logging.runs_dir={folder}") if run_dir is None else (f"resume={run_dir}",)
    if kind in (WRITING, RENAMING):
        condition = in_a_write if kind == WRITING else between_renames
        result = run("train", *own, kill_when=lambda: condition(folder), disk_seconds=0.03)
    else:
        number = getattr(signal, kind)
        after_start = number in SIGNALS or random.random() < 0.7
        result = run(
            "train", *own, kill_after=random.uniform(0, duration), number=number, after_start=after_start
        )
    return result, result.code != 0


def note_loss(tally, kind, folder, result, stopped_at):
    """Count an interruption and the work that it cost, and check what a signal that was heeded has promised."""
    counts, steps, seconds = tally
    counts[kind] += 1
    run_dir = newest(folder)
    if run_dir is None:
        return
    path = run_dir / "checkpoints" / "latest.safetensors"
    name = "latest" if path.exists() else "latest.previous"
    saved = checkpoint_values(run_dir, name)["driver"]["env_steps"]
    done = max((int(line["env_steps"]) for line in metric_lines(run_dir)), default=0)
    if result.code == -signal.SIGKILL:
        steps[kind] = max(steps[kind], done - saved)
        written = (run_dir / "checkpoints" / f"{name}.safetensors").stat().st_mtime
        seconds[kind] = max(seconds[kind], stopped_at - written)
        return
    promised = re.search(r"it goes on from step ([\d,]+) with: engram train resume=(\S+)", result.err)
    assert promised and int(promised[1].replace(",", "")) == saved and promised[2] == str(run_dir), result.err
    assert done <= saved


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_interrupted_runs_are_the_undisturbed_run(run, tmp_path, tally, case):
    random.seed(f"interruptions of {case}")
    start = time.monotonic()
    whole = run("train", *CASES[case], f"logging.runs_dir={tmp_path / 'whole'}")
    duration = time.monotonic() - start
    assert whole.code == 0, whole.err
    waiting = random.sample(INTERRUPTIONS, len(INTERRUPTIONS))
    own, number = 0, 0
    while waiting:
        folder = tmp_path / f"interrupted-{number}"
        folder.mkdir(exist_ok=True)
        result, is_met = interrupt(run, CASES[case], folder, waiting[-1], duration / 3)
        stopped_at = time.time()
        if is_met:
            expected = {"SIGTERM": 143, "SIGINT": 130}.get(waiting[-1], -signal.SIGKILL)
            assert result.code == expected, result.err
            note_loss(tally, waiting.pop(), folder, result, stopped_at)
            own += 1
        if not is_met or own >= 6 or not waiting:
            run_dir = newest(folder)
            words = (
                (*CASES[case], f"logging.runs_dir={folder}") if run_dir is None else (f"resume={run_dir}",)
            )
            result = run("train", *words)
            assert result.code == 0, result.err
            assert_same_run(newest(folder), whole.run_dir)
            assert_tensorboard_follows_metrics(newest(folder))
            own, number = 0, number + 1
    print(f"{case}: {len(INTERRUPTIONS)} interruptions of {number} runs of {duration:.1f} seconds")
