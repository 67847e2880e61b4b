"""Records how fast the real Memory Maze steps: `python tests/envs/memory_maze/record_speed.py`.

Writes `recordings/speed.json`: steps per second of one process on 9x9 with random actions, with the test of touch as
dm_control ships it and the faster one, with the camera and without. They take turns, so that a machine whose speed
drifts slows all alike; a list holds one figure per turn.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

from engram.envs.memory_maze.real import RealMemoryMaze, installed_versions
from engram.envs.memory_maze.real.package import load_tasks
from engram.envs.memory_maze.real.touch import shipped_touch

RECORDINGS = Path(__file__).parent / "recordings"
STEPS, TURNS = 100, 5


def build(camera: bool, is_fast: bool) -> RealMemoryMaze:
    """An environment after its reset, whose targets are dm_control's own or the faster ones."""
    load_tasks()
    env = RealMemoryMaze("9x9", camera=camera)
    with contextlib.nullcontext() if is_fast else shipped_touch(sys.modules["memory_maze.maze"]):
        env.reset(seed=0)
    return env


def rate(env: RealMemoryMaze) -> float:
    actions = np.random.default_rng(0).integers(6, size=STEPS)
    start = time.perf_counter()
    for action in actions:
        env.step(action)
    return round(STEPS / (time.perf_counter() - start), 1)


if __name__ == "__main__":
    built = {
        f"{'camera' if camera else 'no camera'}, {'faster touch' if is_fast else 'as shipped'}": build(
            camera, is_fast
        )
        for camera in (True, False)
        for is_fast in (False, True)
    }
    before = os.getloadavg()[0]
    turns = [{name: rate(env) for name, env in built.items()} for _ in range(TURNS)]
    result = {
        "versions": installed_versions(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, OpenGL: {os.environ['MUJOCO_GL']}",
        "load_average": [before, os.getloadavg()[0]],
        "steps_per_second": {name: [turn[name] for turn in turns] for name in built},
    }
    (RECORDINGS / "speed.json").write_text(json.dumps(result, indent=1) + "\n")
