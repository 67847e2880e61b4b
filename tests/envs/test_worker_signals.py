"""Workers of `async` environments live through the signals that ask a whole group of processes to end."""

import os
import signal
import subprocess
import sys

import pytest
import torch

from engram.envs import GymnasiumEnv


@pytest.mark.parametrize("start_method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_end_with_their_parent_alone(start_method):
    env = GymnasiumEnv("CartPole-v1", 2, vectorization="async", start_method=start_method)
    workers = env._vector.processes
    env.reset(0)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        ids = [worker.pid for worker in workers]
        # Not sent by the parent.
        subprocess.run(
            [sys.executable, "-c", f"import os; [os.kill(pid, {int(number)}) for pid in {ids}]"], check=True
        )
        env.step(torch.zeros(2, dtype=torch.int64))
        assert all(worker.is_alive() for worker in workers)
    os.kill(workers[0].pid, signal.SIGTERM)  # sent by the parent
    workers[0].join(timeout=30)
    assert workers[0].exitcode == 143
    workers[1].terminate()
    workers[1].join(timeout=30)
    assert not workers[1].is_alive()
    env._vector.close_extras(terminate=True)


def test_the_process_that_steps_keeps_its_signals():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    GymnasiumEnv("CartPole-v1", 1).reset(0)
    env = GymnasiumEnv("CartPole-v1", 1, vectorization="async")
    env.close()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
