"""The motion's CUDA kernel: in Triton's interpreter on any machine, and on a device where there is one."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engram.envs.memory_maze.motion import TOUCH_DISTANCE, body, move_reference

triton = pytest.importorskip("triton")
ROOT = Path(__file__).resolve().parents[3]
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


def moving(count: int) -> tuple[torch.Tensor, ...]:
    """Bodies at speed in the corners of a box and at its pillars' edges, and what drives them."""
    generator = torch.Generator().manual_seed(0)
    walls = torch.ones(2, 11, 11, dtype=torch.bool)
    walls[:, 1:-1, 1:-1] = False
    walls[1, 2:10:2, 2:10:2] = True
    cell = torch.randint(0, 5, (count, 2), generator=generator) * 2.0
    bodies = body.bodies_at(
        cell + 0.105 + 0.79 * torch.rand(count, 2, generator=generator),
        torch.rand(count, generator=generator) * math.tau,
    )
    bodies[:, body.X_SPEED] = torch.randn(count, generator=generator)
    bodies[:, body.Y_SPEED] = torch.randn(count, generator=generator)
    bodies[:, body.ROLL_SPEED] = 8.0
    drive, steer = torch.ones(count).double(), torch.randint(-1, 2, (count,), generator=generator).double()
    layout = torch.randint(0, 2, (count,), generator=generator)
    return bodies, drive, steer, walls, layout, cell + 0.5


@pytest.mark.skipif(INTERPRETED, reason="runs the other")
def test_the_kernel_in_the_interpreter() -> None:
    """In a process of its own, since Triton reads its variable once, when it compiles."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not INTERPRETED, reason="needs TRITON_INTERPRET=1")
def test_the_interpreted_kernel_is_the_reference(monkeypatch) -> None:
    """For a few substeps: the interpreter takes half a second for each."""
    from engram.envs.memory_maze.motion import cuda, cuda_kernels

    monkeypatch.setattr(cuda, "BLOCK", 128)  # one program that is not full
    monkeypatch.setattr(cuda_kernels, "SUBSTEPS", 6)
    monkeypatch.setattr(body, "SUBSTEPS", 6)
    inputs = moving(100)
    moved, touched = cuda.move(*inputs, TOUCH_DISTANCE)
    expected, expected_touched = move_reference(*inputs, TOUCH_DISTANCE)
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-9)
    assert torch.equal(touched, expected_touched) and touched.any() and not touched.all()


@pytest.mark.gpu
def test_the_kernel_is_the_loop_on_the_cpu() -> None:
    from engram.envs.memory_maze.motion import move

    inputs = moving(2048)
    moved, touched = move(*(value.cuda() for value in inputs), TOUCH_DISTANCE)
    expected, expected_touched = move(*inputs, TOUCH_DISTANCE)
    # A contact that begins one substep later moves a body by some millimetres.
    close = (moved.cpu() - expected).abs().amax(1) < 1e-6
    assert close.float().mean() > 0.99 and torch.equal(touched.cpu()[close], expected_touched[close])
