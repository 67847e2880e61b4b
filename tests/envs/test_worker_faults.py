"""A process of an environment that dies, hangs or fails is named in one sentence, and none is left over."""

import os
import signal
import subprocess
import sys
import time

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from engram.common.errors import WorkerFault
from engram.envs import EnvironmentFault, GymnasiumEnv

DEED = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exits": lambda: os._exit(7),
    "leaves": lambda: sys.exit(3),
    "hangs": lambda: time.sleep(1000),
    "raises": lambda: 7 % 0,
}


class Fated(gymnasium.Env):
    """Environment 1 meets its fate at the place named; its index comes by the process' name."""

    observation_space = spaces.Box(-1, 1, (2,))
    action_space = spaces.Discrete(2)

    def __init__(self, fate="", place="step", mark=None):
        self.fate, self.place, self.mark = fate, place, mark
        self.do("make")

    def do(self, place):
        import multiprocessing

        if place == self.place and self.fate and multiprocessing.current_process().name.endswith("-1"):
            DEED[self.fate]()

    def reset(self, *, seed=None, options=None):
        self.do("reset")
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.do("step")
        return np.zeros(2, np.float32), 1.0, False, False, {}

    def close(self):
        self.do("close")
        if self.mark:
            with open(self.mark, "a") as file:
                file.write("closed\n")


gymnasium.register("fated/Env-v0", Fated)


def make(**kwargs):
    options = {"worker_timeout": 0.5} if kwargs.get("fate") == "hangs" else {}
    return GymnasiumEnv(
        "fated/Env-v0", 3, kwargs, "async", start_method="fork", env_index_offset=10, **options
    )


def play(env):
    env.reset(0)
    env.step(torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize("place", ["make", "reset", "step"])
@pytest.mark.parametrize(
    "fate,words",
    [
        (
            "killed",
            "must live as long as its run, but it was ended by SIGKILL, as a system does that runs out",
        ),
        ("exits", "must live as long as its run, but it ended with exit code 7"),
        ("leaves", "must live as long as its run, but it ended with exit code 3"),
        ("hangs", "must answer within 0.5 seconds, but it did not: it hangs"),
    ],
)
def test_its_environment_and_its_end_are_named(fate, words, place, monkeypatch):
    monkeypatch.setattr("engram.envs.async_envs._CLOSE_SECONDS", 0.3)
    with pytest.raises(WorkerFault, match=f"The process of environment 11 {words}") as caught:
        env = make(fate=fate, place=place)
        try:
            play(env)
        finally:
            processes = env._vector.processes
            env.close()
            assert not any(process.is_alive() for process in processes)
    assert isinstance(caught.value, EnvironmentFault)


def test_one_that_cannot_be_made_raises_what_it_raised():
    with pytest.raises(ZeroDivisionError) as caught:
        make(fate="raises", place="make")
    assert caught.value.__notes__ == ["It was raised by environment 11, in a process of its own."]
    assert "7 % 0" in str(caught.value.__cause__)


def test_one_that_is_killed_between_steps_is_named_and_the_others_close(tmp_path):
    env = make(mark=str(tmp_path / "mark"))
    play(env)
    os.kill(env._vector.processes[1].pid, signal.SIGKILL)
    with pytest.raises(WorkerFault, match=r"environment 11 .* SIGKILL"):
        for _ in range(3):
            env.step(torch.zeros(3, dtype=torch.int64))
    env.close()
    # The first stands for the environment that shows its spaces, and is closed at once.
    assert (tmp_path / "mark").read_text() == "closed\n" * 3


def test_a_wait_may_last_as_many_steps_as_are_repeated():
    env = GymnasiumEnv("CartPole-v1", 1, vectorization="async", worker_timeout=2)
    (pipe,) = env._vector.parent_pipes
    with env._vector.patience(5):
        assert pipe.patience == 5
    assert pipe.patience == 1
    env.close()


@pytest.mark.parametrize("place", ["close", "step"])
def test_closing_ends_one_that_hangs(place, monkeypatch):
    monkeypatch.setattr("engram.envs.async_envs._CLOSE_SECONDS", 0.3)
    env = make(fate="hangs", place=place)
    env.reset(0)
    if place == "step":
        env._vector.step_async(np.zeros(3, np.int64))  # as Ctrl-C leaves it
    env.close()
    assert not any(process.is_alive() for process in env._vector.processes)


@pytest.mark.parametrize("timeout", [0, -1, "soon", True, float("inf"), float("nan")])
def test_a_timeout_is_a_number_of_seconds(timeout):
    with pytest.raises(ValueError, match="worker_timeout of GymnasiumEnv must be a number above 0, or null"):
        GymnasiumEnv("CartPole-v1", 1, worker_timeout=timeout)


MASK = """
import signal, sys
from engram.envs.worker_signals import held_back, let_through
import subprocess
before = held_back()
child = "import signal; print(sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))))"
print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout, end="")
let_through(before)
print(sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))))
"""


@pytest.mark.slow
def test_new_interpreters_inherit_that_signals_of_a_terminal_are_held_back():
    done = subprocess.run([sys.executable, "-c", MASK], capture_output=True, text=True)
    assert done.stdout == "[1, 2]\n[]\n", done.stderr


PARENT = """
import os, signal, torch
from engram.envs import GymnasiumEnv
env = GymnasiumEnv("CartPole-v1", 2, vectorization="async")
env.reset(0)
print(*[process.pid for process in env._vector.processes], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_none_is_left_and_none_complains_where_the_parent_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as parent:
        said, complaint = parent.communicate(timeout=60)  # until all have closed their ends
    assert parent.returncode == -signal.SIGKILL and len(said.split()) == 2 and complaint == ""
