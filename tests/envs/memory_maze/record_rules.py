"""Records the rules of touch and prompt: `python tests/envs/memory_maze/record_rules.py`.

Writes `recordings/rules.json`, distances in metres:

    standing    the agent is put down beside the current target and does nothing for one step
    passing     it drives by in a straight line whose nearest point is that far from the target's centre
    approaching it drives straight at the target: distance after each step, and its reward
    prompt      per step of an episode in which the agent is put into its target every third step: current target,
                reward, and the border's colour in that step's picture
    centre      seeds whose maze has a target in its centre: whether it is the current one, whether it is visible in
                the first picture, and the reward of the first step, a noop
    lengths     steps of an episode of each size, and whether its end is a truncation
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from engram.envs.memory_maze.real import REAL_SIZES, RealMemoryMaze, installed_versions
from engram.envs.memory_maze.real.state import FIRST_TARGET, place, position, read_scene, view_classes
from engram.envs.memory_maze.sizes import CELL_METRES

RECORDINGS = Path(__file__).parent / "recordings"
DISTANCES = (0.6, 0.7, 0.76, 0.77, 0.78, 0.79, 0.9, 1.0)
DIRECTIONS = tuple(math.radians(angle) for angle in (0, 90, 200, 315))
START = 1.6
FORWARD = 1


def open_target(env: RealMemoryMaze, seed: int) -> np.ndarray:
    """Reset until a target has no wall around it, make it the current one, and return where it is, in cells."""
    env.reset(seed=seed)
    while True:
        scene = read_scene(env)
        for index, target in enumerate(scene.target_positions[0].double().numpy()):
            x, y = (int(value) for value in target)
            if not scene.walls[0, y : y + 3, x : x + 3].any():
                env.step(0)
                env.task._current_target_ix = index
                return target
        env.reset()


def put(env: RealMemoryMaze, target: np.ndarray, along: float, aside: float, heading: float) -> None:
    """Put the agent down; it looks along `heading`, and the target lies so far behind and to its left."""
    ahead = np.array([math.cos(heading), math.sin(heading)])
    left = np.array([-ahead[1], ahead[0]])
    place(env, target + (along * ahead - aside * left) / CELL_METRES, heading)


def standing(env: RealMemoryMaze) -> list[dict]:
    found = []
    for index, distance in enumerate(DISTANCES):
        target = open_target(env, index)
        for heading in DIRECTIONS:
            put(env, target, -START, 0.0, heading)
            env.step(0)
            current = env.task._current_target_ix
            put(env, target, -distance, 0.0, heading)
            reward = env.step(0)[1]
            found.append({"distance": distance, "heading": heading, "reward": reward})
            env.task._current_target_ix = current
    return found


def passing(env: RealMemoryMaze) -> list[dict]:
    found = []
    for index, distance in enumerate(DISTANCES):
        target = open_target(env, index)
        for heading in DIRECTIONS:
            current = env.task._current_target_ix
            put(env, target, -START, distance, heading)
            reward = sum(env.step(FORWARD)[1] for _ in range(9))
            found.append({"distance": distance, "heading": heading, "reward": reward})
            env.task._current_target_ix = current
    return found


def approaching(env: RealMemoryMaze) -> list[dict]:
    found = []
    for index, start in enumerate((1.5, 1.58, 1.66, 1.74)):
        target = open_target(env, index)
        put(env, target, -start, 0.0, DIRECTIONS[index])
        for _ in range(4):
            reward = env.step(FORWARD)[1]
            distance = float(np.linalg.norm(position(env) - target)) * CELL_METRES
            found.append({"start": start, "distance": round(distance, 4), "reward": reward})
    return found


def prompt(env: RealMemoryMaze, steps: int = 360) -> list[dict]:
    obs, _ = env.reset(seed=0)
    targets = read_scene(env).target_positions[0].double().numpy()
    start = position(env)
    found, reward = [], 0.0
    for step in range(steps):
        sides = {tuple(side) for side in (*obs[0], *obs[1], *obs[:, 1], *obs[:, -2].tolist())}
        (border,) = {tuple(int(value) for value in side) for side in sides}
        target = env.task._current_target_ix
        found.append({"target": target, "reward": reward, "border": border})
        place(env, targets[target] if step % 3 == 0 else start, 0.0)
        obs, reward, *_ = env.step(0)
    return found


def centre(env: RealMemoryMaze) -> list[dict]:
    found = []
    for seed in range(60):
        env.reset(seed=0) if seed == 0 else env.reset()
        middle = [
            index for index, target in enumerate(read_scene(env).target_positions[0]) if (target == 4.5).all()
        ]
        if middle:
            current = env.task._current_target_ix == middle[0]
            place(env, np.array([4.5, 4.5]) - [0.5, 0.0], 0.0)
            visible = bool((view_classes(env) == FIRST_TARGET + middle[0]).any())
            scene = read_scene(env)
            spot = np.argwhere(~scene.walls[0, 1:-1, 1:-1].numpy())[0][::-1] + 0.5
            place(env, spot, 0.0)
            found.append({"reset": seed, "current": current, "visible": visible, "reward": env.step(0)[1]})
    return found


def lengths() -> dict[str, dict]:
    found = {}
    for size in REAL_SIZES:
        env = RealMemoryMaze(size, camera=False)
        env.reset(seed=0)
        steps, terminated, truncated = 0, False, False
        while not terminated and not truncated:
            _, _, terminated, truncated, _ = env.step(2)
            steps += 1
        found[size] = {"steps": steps, "terminated": terminated, "truncated": truncated}
    return found


if __name__ == "__main__":
    env, blind = RealMemoryMaze("9x9"), RealMemoryMaze("9x9", camera=False)
    rules = {
        "versions": installed_versions(),
        "standing": standing(blind),
        "passing": passing(blind),
        "approaching": approaching(blind),
        "prompt": prompt(env),
        "centre": centre(env),
        "lengths": lengths(),
    }
    text = ",\n".join(
        f'"{key}": '
        + ("[\n" + ",\n".join(map(json.dumps, value)) + "]" if isinstance(value, list) else json.dumps(value))
        for key, value in rules.items()
    )
    (RECORDINGS / "rules.json").write_text("{" + text + "}\n")
