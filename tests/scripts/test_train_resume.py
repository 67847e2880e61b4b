"""A run that is killed and continued is the run that was never interrupted."""

import random
import shutil
import subprocess
import sys
import time

import pytest
from command_server import ROOT

from run_files import RECALL, TINY, assert_same_run, assert_tensorboard_follows_metrics, metric_lines

SMALL = (
    *TINY,
    "num_envs=8",
    "agent.rollout_length=32",
    "total_env_steps=6000",
    "evaluation.interval=500",
    "checkpoint.interval=500",
)
NOISY = (
    "env=popgym/noisy_position_only_cart_pole_easy",
    "agent.make_network.make_encoder.normalize=true",
)
LSTM = (
    "agent.bptt_length=8",
    "agent.make_network.separate_critic_core=true",
    "agent.learning_rate_schedule=linear",
    "agent.kl_coef=0.1",
    "checkpoint.keep_interval=2000",
)
PREDICTION = ("agent.auxiliary.self_prediction.coef=1", "agent.auxiliary.self_prediction.target=ema")
S5 = ("core=s5", "core.num_layers=2", "core.state_size=16")
CASES = {
    "package": ("env=popgym/repeat_previous_easy", "env.backend=package", *S5),
    "package-lstm": ("env=popgym/repeat_previous_easy", "env.backend=package", *LSTM),
    "cards": ("env=popgym/autoencode_easy", *S5),
    "noisy": (*NOISY, *S5),
    "noisy-lstm": (*NOISY, *LSTM),
    "native": (*RECALL, *S5),
    "native-lstm": (*RECALL, *LSTM),
    "impala": (*RECALL, *S5, "agent=impala", "agent.bptt_length=8"),
    "pqn": (*RECALL, *S5, "agent=pqn"),
    "auxiliary": (*RECALL, *S5, "agent.auxiliary.reconstruction.coef=1", *PREDICTION),
}


def runs_in(folder):
    """The folders of the runs begun under `folder`."""
    return sorted(path.parent for path in folder.rglob("checkpoints"))


def test_a_run_killed_once_continues_exactly(run, tmp_path):
    words = (*TINY, *NOISY, *LSTM, "total_env_steps=1500", "checkpoint.keep_interval=null")
    whole = run("train", *words, f"logging.runs_dir={tmp_path / 'whole'}")
    assert whole.code == 0, whole.err
    # Kill it where the log is ahead of a checkpoint: so many lines, and not a multiple of 200 steps.
    start = time.monotonic()
    killed = run_until(run, words, tmp_path / "killed", lines=14)
    assert time.monotonic() - start < 120
    lines_before = metric_lines(killed)
    resumed = run("train", f"resume={killed}")
    assert resumed.code == 0, resumed.err
    assert 14 <= len(lines_before) < len(metric_lines(killed))
    assert_same_run(killed, whole.run_dir)
    assert_tensorboard_follows_metrics(killed)


def run_until(run, words, folder, lines):
    """Kill a run once it has logged so many lines; returns its folder."""

    def is_there():
        files = list(folder.rglob("metrics.jsonl"))
        return bool(files) and len(files[0].read_text().splitlines()) >= lines

    result = run("train", *words, f"logging.runs_dir={folder}", kill_when=is_there)
    assert result.code == -9, result.err
    return result.run_dir


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_random_kills(run, tmp_path, case):
    """At least 20 kills at random moments, several of them of the same run."""
    random.seed(f"kills-{case}")
    words = (*SMALL, *CASES[case])
    start = time.monotonic()
    whole = run("train", *words, f"logging.runs_dir={tmp_path / 'whole'}")
    duration = time.monotonic() - start
    assert whole.code == 0, whole.err
    kills = finished = damages = 0
    while kills < 20 or finished < 2:
        folder = tmp_path / f"killed-{kills}"
        result = run("train", *words, f"logging.runs_dir={folder}", kill_after=moment(duration))
        own_kills = int(result.code == -9)
        damaged = False
        while result.code != 0:
            assert result.code == -9, result.err
            damaged = damaged or damage_the_latest(folder)
            # In the end it may finish; before, a continued run is killed as a fresh one is.
            kill_after = moment(duration) if own_kills < 12 else None
            result = continue_run(run, folder, words, kill_after)
            own_kills += result.code == -9
        (run_dir,) = [path for path in runs_in(folder) if (path / "metrics.jsonl").exists()][-1:]
        assert_same_run(run_dir, whole.run_dir)
        assert_tensorboard_follows_metrics(run_dir)
        kills, finished, damages = kills + own_kills, finished + 1, damages + damaged
    lines = len(metric_lines(whole.run_dir))
    print(f"{case}: {kills} kills, {damages} damaged checkpoints, {finished} runs, {lines} lines each")


def moment(duration):
    """Seconds to the next kill: often early (start-up, loading), else anywhere in the run."""
    return random.uniform(0, 0.5) if random.random() < 0.3 else random.uniform(0, duration)


def damage_the_latest(folder):
    """Now and then damage the newest checkpoint, if there is one before it; says whether it did."""
    files = sorted(folder.rglob("checkpoints/latest.previous.safetensors"))
    if not files or random.random() < 0.7:
        return False
    path = files[-1].with_name("latest.safetensors")
    if path.exists():
        path.write_bytes(path.read_bytes()[:-9])
    return path.exists()


def continue_run(run, folder, words, kill_after):
    """Continue the newest run, or start again if it was killed before its first checkpoint."""
    runs = runs_in(folder)
    if runs:
        result = run("train", f"resume={runs[-1]}", kill_after=kill_after)
        if result.code != 2:
            return result
        assert result.err.startswith("error: ") and len(result.err.splitlines()) == 1
        assert not list((runs[-1] / "checkpoints").glob("*.safetensors"))
    return run("train", *words, f"logging.runs_dir={folder}", kill_after=kill_after)


@pytest.mark.slow
def test_kills_of_a_command_from_the_shell(run, tmp_path):
    """The same with processes that start from nothing, so that kills meet their start-up too."""
    random.seed("shell")
    words = (*TINY, *RECALL, f"logging.runs_dir={tmp_path / 'killed'}")
    whole = run("train", *TINY, *RECALL, f"logging.runs_dir={tmp_path / 'whole'}").run_dir
    kills = 0
    for attempt in range(10):
        runs = runs_in(tmp_path / "killed")
        own = (f"resume={runs[-1]}", "total_env_steps=600") if runs else words
        command = [sys.executable, "-m", "engram.scripts.train", *own]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            try:
                err = process.communicate(timeout=None if attempt == 9 else random.uniform(1, 10))[1]
                assert process.returncode in (0, 2), err
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
        if process.returncode == 2:
            assert "start it again" in err or "damaged" in err or "has none" in err
            shutil.rmtree(runs[-1])
    assert kills > 0
    assert_same_run(runs_in(tmp_path / "killed")[-1], whole)


def test_the_unfinished_run_is_found_by_its_configuration(run, tmp_path):
    words = (*TINY, *RECALL, "total_env_steps=1500", f"logging.runs_dir={tmp_path}", "resume=unfinished")
    killed = run_until(run, words[:-2], tmp_path, lines=14)
    other = run("train", *words, "seed=1")
    assert other.code == 0 and other.run_dir != killed, other.err
    continued = run("train", *words, "logging.to=[]")
    assert continued.code == 0 and continued.run_dir == killed, continued.err
    assert metric_lines(killed)[-1]["env_steps"] == metric_lines(other.run_dir)[-1]["env_steps"]
    anew = run("train", *words)
    assert anew.code == 0 and anew.run_dir not in (killed, other.run_dir), anew.err
    evaluated = run("evaluate", f"run={tmp_path}", "episodes=2", "num_envs=2")
    assert evaluated.code == 0 and (anew.run_dir / "evaluation" / "evaluation.json").exists()
