"""The renderer's CUDA kernel: in Triton's interpreter on any machine, and on a device where there is one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from maze_scenes import random_scene, share_that_differs, to_device

from engram.envs.memory_maze.rendering import load_textures, render, render_frames

pytest.importorskip("triton")
ROOT = Path(__file__).resolve().parents[3]
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
HEIGHTS = {"standard": (1.5, 0.0), "low": (0.4, 1.1)}


@pytest.mark.skipif(INTERPRETED, reason="runs the other")
def test_the_kernel_in_the_interpreter():
    """In a process of its own, since Triton reads its variable once, when it compiles."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not INTERPRETED, reason="needs TRITON_INTERPRET=1")
@pytest.mark.parametrize(("heights", "image_size"), [("standard", 64), ("low", 48)])
def test_interpreted_kernel_draws_what_the_reference_draws(heights, image_size, monkeypatch):
    from engram.envs.memory_maze.rendering import cuda

    monkeypatch.setattr(cuda, "BLOCK", 2048)  # few programs, and the last of a frame is not full
    wall, target = HEIGHTS[heights]
    scene, textures = random_scene(3, 11, 3), load_textures(procedural=True)
    frames = cuda.render_frames(scene, textures, image_size, wall / 2, target / 2)
    assert share_that_differs(frames, render(scene, textures, image_size, wall, target)) < 1e-4


@pytest.mark.gpu
@pytest.mark.parametrize("heights", HEIGHTS)
@pytest.mark.parametrize(("size", "targets"), [(9, 2), (11, 3), (17, 6)])
def test_a_device_draws_what_the_cpu_draws(size, targets, heights):
    scene, textures = random_scene(256, size, targets), load_textures(procedural=True)
    expected = render_frames(scene, textures, 64, *HEIGHTS[heights])
    frames = render_frames(to_device(scene, "cuda"), textures.cuda(), 64, *HEIGHTS[heights])
    assert share_that_differs(frames.cpu(), expected) < 1e-4


@pytest.mark.gpu
@pytest.mark.parametrize("draw", [render, render_frames])
def test_a_call_can_be_captured(draw):
    scene, textures = to_device(random_scene(8, 11), "cuda"), load_textures(procedural=True).cuda()
    draw(scene, textures)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        frames = draw(scene, textures)
    scene.heading.add_(1.0)
    graph.replay()
    assert torch.equal(frames, draw(scene, textures))
