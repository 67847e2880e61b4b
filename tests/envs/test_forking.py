"""A process forks after torch has used several threads; its children compute, alone and as Gymnasium's workers."""

import os
import signal
import subprocess
import sys

SCRIPT = """
import ctypes.util, os
import gymnasium, torch
from engram import envs
from engram.envs.forking import make_forks_safe

def use_threads():
    return int(torch.arange(10**6).sum())

def threads_of_a_child():
    use_threads()
    child = os.fork()
    if child == 0:
        os._exit(torch.get_num_threads() if use_threads() == 499999500000 else 99)
    assert use_threads() == 499999500000
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

torch.set_num_threads(4)
print("child:", threads_of_a_child(), "parent:", torch.get_num_threads())
vector = gymnasium.make_vec(
    "engram.envs:engram/popgym-BattleshipHard-v0", 2, "async", vector_kwargs={"context": "fork"}
)
vector.reset(seed=0)
print("rewards:", vector.step(vector.action_space.sample())[1].shape)
vector.close()
make_forks_safe([ctypes.util.find_library("m")])  # a library that cannot end its threads
print("child:", threads_of_a_child(), "parent:", torch.get_num_threads())
"""


def test_children_compute_whatever_threads_the_parent_used() -> None:
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            said, _ = process.communicate(timeout=120)
        finally:
            if process.returncode is None:  # what hangs are the children
                os.killpg(process.pid, signal.SIGKILL)
    assert said.splitlines() == ["child: 4 parent: 4", "rewards: (2,)", "child: 1 parent: 4"]
