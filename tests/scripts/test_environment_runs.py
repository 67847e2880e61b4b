"""A run whose environment fails says in one sentence how to go on, and goes on once it is mended."""

import re
import shlex

import pytest

from run_files import TINY, TINY_WORLD_MODEL, checkpoint_values

ENV = '''
import multiprocessing, os, signal, sys, time
from pathlib import Path
import gymnasium
import numpy as np
from gymnasium import spaces


class Fated(gymnasium.Env):
    """Fails at its 60th step, in the third environment alone if each has its own process, until `mended` exists."""

    observation_space = spaces.Box(-1, 1, (2,))
    action_space = spaces.Box(-1, 1, (1,))
    steps = 0

    def __init__(self, fate, mended):
        self.fate, self.mended = fate, Path(mended)

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        obs, reward = np.full(2, 0.5, np.float32), 1.0
        if self.steps >= 60 and not self.mended.exists():
            if self.fate == "no number":
                reward = np.nan
            elif self.fate == "too large":
                reward = np.inf
            elif self.fate == "obs":
                obs[1] = np.nan
            elif multiprocessing.current_process().name.endswith("-2"):
                if self.fate == "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                if self.fate == "hangs":
                    time.sleep(1000)
                7 % 0
        return obs, reward, self.steps % 10 == 0, False, {}


gymnasium.register("fated/Env-v0", Fated)
'''
WORLD_MODEL = (
    *TINY_WORLD_MODEL,
    "agent.train_ratio=1",
    "threads=1",
    "total_env_steps=300",
    "evaluation.interval=null",
    "checkpoint.interval=100",
    "logging.progress=false",
    "logging.curve=false",
    "agent.replay.capacity_bytes=100_000",
    "agent.replay.prefill=280",
)
PPO = (*TINY, "evaluation.interval=null", "checkpoint.interval=100")
ASYNC = (*PPO, "env.vectorization=async", "env.start_method=fork", "env.worker_timeout=2")


@pytest.mark.parametrize(
    "words,fate,code,sentence",
    [
        (
            ASYNC,
            "killed",
            2,
            "error: The process of environment 2 must live .* ended by SIGKILL.* is intact; once",
        ),
        pytest.param(
            ASYNC,
            "hangs",
            2,
            "error: The process of environment 2 must answer within 2 seconds.* is intact; once",
            marks=pytest.mark.slow,
        ),
        (ASYNC, "raises", 1, "It was raised by environment 2, in a process of its own"),
        (
            PPO,
            "obs",
            3,
            "error: .* gave the observation nan in environment 0; .* its last checkpoint is intact",
        ),
        (
            PPO,
            "too large",
            3,
            "error: .* gave the reward inf in environment 0; .* its last checkpoint is intact",
        ),
        (
            WORLD_MODEL,
            "no number",
            3,
            "error: .* gave the reward nan in environment 0; .* its last checkpoint is intact",
        ),
    ],
)
def test_a_fault_is_one_sentence_and_the_run_goes_on_once_it_is_mended(
    run, tmp_path, words, fate, code, sentence
):
    (tmp_path / "fated.py").write_text(ENV)
    mended = tmp_path / "mended"
    env = ("env=gymnasium", "env.id=fated:fated/Env-v0", f"env.kwargs={{fate: {fate}, mended: {mended}}}")
    result = run("train", *words, *env, f"logging.runs_dir={tmp_path / 'runs'}", path=[tmp_path])
    assert result.code == code, result.err
    assert re.search(sentence, result.err), result.err
    assert ("Traceback" in result.err) == (fate == "raises")
    (command,) = re.findall(r"go on with: engram train (.*)", result.err)
    assert shlex.split(command) == [f"resume={result.run_dir}", "allow=[fated]"]
    before = checkpoint_values(result.run_dir)["driver"]["env_steps"]
    assert before < 240
    mended.touch()
    resumed = run("train", *shlex.split(command), path=[tmp_path])
    assert resumed.code == 0, resumed.err
    assert checkpoint_values(result.run_dir)["driver"]["env_steps"] > 280
