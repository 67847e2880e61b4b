"""Records whole episodes of the real Memory Maze: `python tests/envs/memory_maze/record_play.py oracle 9x9 50`.

Appends one JSON line per episode to `recordings/<player>_<size>.jsonl`. The players are `oracle`, which is
`engram.envs.memory_maze.oracle`, and `random`, uniform over the six actions. The first argument after the size is how
many episodes there shall be in the file; what is missing is played. A line holds:

    seed, episode     the episode is the one that the `episode`-th reset after `reset(seed)` begins, from 0
    return            sum of rewards
    reward_steps      the numbers of the rewarded steps, the first step is 1
    visited           distinct cells, floor of the position, in which the agent was after its reset or any step
    contact           share of steps after which the body touches a wall: the distance from its centre to the nearest
                      wall cell, as a square in the plane, is at most 0.11 cell (the body's radius is 0.1)
    mujoco_contact    share of steps after which MuJoCo reports a contact between the body and a wall
    travelled         sum of the distances between the positions after consecutive steps, in cells
    maze              rows of the inner cells from the bottom, 1 where free
    start             where the agent stands, in cells from the bottom-left inner corner, and its heading in radians
    targets           where the targets are, likewise
    order             the number of the first target to reach, and of the next one after each reward
    versions          what it was recorded with
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np

from engram.envs.memory_maze.oracle import oracle_action
from engram.envs.memory_maze.real import RealMemoryMaze, installed_versions

RECORDINGS = Path(__file__).parent / "recordings"
CONTACT = 0.11


def wall_distance(walls: np.ndarray, position: np.ndarray) -> float:
    """Distance in cells from a point to the nearest wall cell of walls [N, N], the outer walls included."""
    rows, columns = np.nonzero(walls)
    # Inner cell (i, j) is entry [j + 1, i + 1].
    x = np.maximum(np.abs(position[0] - columns + 0.5) - 0.5, 0)
    y = np.maximum(np.abs(position[1] - rows + 0.5) - 0.5, 0)
    return float(np.sqrt(x**2 + y**2).min())


def touches_wall(env: RealMemoryMaze) -> bool:
    physics = env.physics
    names = ([physics.model.id2name(geom, "geom") for geom in pair] for pair in physics.data.contact.geom)
    return any(
        "walker/shell" in pair and any(name.startswith("wall") for name in pair if name != "walker/shell")
        for pair in names
    )


def play(env: RealMemoryMaze, player: str, obs: dict, generator: np.random.Generator) -> dict:
    """Play the episode that has just begun with `obs`."""
    walls = np.pad(obs["maze_layout"] == 0, 1, constant_values=True)
    begun = {
        "maze": ["".join(str(int(cell)) for cell in row) for row in obs["maze_layout"]],
        "start": [*map(float, obs["agent_pos"]), math.atan2(obs["agent_dir"][1], obs["agent_dir"][0])],
        "targets": obs["targets_pos"].tolist(),
    }
    positions, rewards, contacts, mujoco_contacts, is_over = [obs["agent_pos"]], [], [], [], False
    order = [number_of_target(obs)]
    while not is_over:
        if player == "random":
            action = int(generator.integers(6))
        else:
            heading = math.atan2(obs["agent_dir"][1], obs["agent_dir"][0])
            action = oracle_action(obs["maze_layout"], obs["agent_pos"], heading, obs["target_pos"])
        obs, reward, _, is_over, _ = env.step(action)
        positions.append(obs["agent_pos"])
        rewards.append(reward)
        if reward:
            order.append(number_of_target(obs))
        contacts.append(wall_distance(walls, obs["agent_pos"]) <= CONTACT)
        mujoco_contacts.append(touches_wall(env))
    return {
        "return": sum(rewards),
        "steps": len(rewards),
        "reward_steps": [step + 1 for step, reward in enumerate(rewards) if reward],
        "visited": len({(int(x), int(y)) for x, y in positions}),
        "contact": round(float(np.mean(contacts)), 4),
        "mujoco_contact": round(float(np.mean(mujoco_contacts)), 4),
        "travelled": round(float(np.linalg.norm(np.diff(positions, axis=0), axis=1).sum()), 2),
        **begun,
        "order": order,
    }


def number_of_target(obs: dict) -> int:
    """Which of the targets is the current one."""
    return int(np.abs(obs["targets_pos"] - obs["target_pos"]).sum(axis=1).argmin())


def main(player: str, size: str, episodes: int) -> None:
    path = RECORDINGS / f"{player}_{size}.jsonl"
    seed = len(path.read_text().splitlines()) if path.exists() else 0
    env = RealMemoryMaze(size, camera=False, global_observables=True)
    generator = np.random.default_rng(seed)
    for episode in range(episodes - seed):
        obs, _ = env.reset(seed=None if episode else seed)
        line = {"seed": seed, "episode": episode, **play(env, player, obs, generator)}
        with path.open("a") as file:
            file.write(json.dumps({**line, "versions": installed_versions()}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
