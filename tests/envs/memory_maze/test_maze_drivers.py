"""Whole episodes of the native maze against recorded ones of the real: the oracle's and random ones."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from engram.envs.memory_maze.maze import MemoryMaze
from engram.envs.memory_maze.motion import HEADING, TOUCH_DISTANCE, bodies_at, move
from engram.envs.memory_maze.motion.body import DRIVE, STEER
from engram.envs.memory_maze.oracle import oracle_actions
from engram.envs.memory_maze.real import REAL_SIZES
from engram.envs.memory_maze.sizes import CELL_METRES, SIZES

RECORDINGS = Path(__file__).parent / "recordings"
PRESSES = torch.tensor([DRIVE, STEER], dtype=torch.float64)
CONTACT = 0.11


def recorded(player: str, size: str) -> list[dict]:
    return [json.loads(line) for line in (RECORDINGS / f"{player}_{size}.jsonl").read_text().splitlines()]


def drive_again(episodes: list[dict], steps: int) -> np.ndarray:
    """Rewards [T, E] of the oracle in the recorded mazes, from the recorded starts to the recorded targets in order."""
    free = np.array([[[cell == "1" for cell in row] for row in episode["maze"]] for episode in episodes])
    walls = torch.from_numpy(np.pad(~free, ((0, 0), (1, 1), (1, 1)), constant_values=True))
    start = torch.tensor([episode["start"] for episode in episodes], dtype=torch.float64)
    targets = torch.tensor([episode["targets"] for episode in episodes], dtype=torch.float32)
    longest = max(len(episode["order"]) for episode in episodes)
    rows, layout = torch.arange(len(episodes)), torch.arange(len(episodes))
    generator = torch.Generator().manual_seed(0)
    order = torch.empty(len(episodes), 3 * longest, dtype=torch.int64)
    for row, episode in enumerate(episodes):
        # Whoever drives faster than recorded goes on to targets drawn here; the next is never the current one.
        numbers = list(episode["order"])
        while len(numbers) < order.shape[1]:
            others = [number for number in range(targets.shape[1]) if number != numbers[-1]]
            numbers.append(others[int(torch.randint(len(others), (), generator=generator))])
        order[row] = torch.tensor(numbers)
    body, reached, rewards = bodies_at(start[:, :2], start[:, 2]), torch.zeros_like(rows), []
    for _ in range(steps):
        goal = targets[rows, order[rows, reached]]
        place, heading = body[:, :2].float().numpy() / CELL_METRES, body[:, HEADING].float().numpy()
        action = torch.from_numpy(oracle_actions(free, place, heading, goal.numpy()))
        body, touched = move(body, *PRESSES[:, action], walls, layout, goal, TOUCH_DISTANCE)
        reached = reached + touched
        rewards.append(touched.numpy())
    return np.array(rewards)


# Whole episodes of dozens of environments take ten seconds each; the largest maze has the fewest recordings.
@pytest.mark.parametrize(
    "size", [*(pytest.param(size, marks=pytest.mark.slow) for size in REAL_SIZES[:-1]), REAL_SIZES[-1]]
)
def test_the_oracle_collects_as_much_in_the_same_mazes(size: str) -> None:
    """The 95 % interval of the mean difference lies within 10 % of the real mean."""
    episodes, steps = recorded("oracle", size), SIZES[size].episode_length
    real = np.array([episode["return"] for episode in episodes])
    difference = drive_again(episodes, steps).sum(axis=0) - real
    error = 1.96 * difference.std(ddof=1) / math.sqrt(len(real))
    print(f"{size}: real {real.mean():.2f}, native - real {difference.mean():.2f} ± {error:.2f} (95 %)")
    assert abs(difference.mean()) + error < 0.1 * real.mean()


def play(size: str, num_envs: int, player: str, seed: int) -> dict[str, np.ndarray]:
    """Whole episodes of the native environment: what `record_play.py` records of the real one, by its names."""
    env = MemoryMaze(num_envs, size, camera=False, global_observables=True, num_layouts=2048)
    generator, rows = torch.Generator().manual_seed(seed), torch.arange(num_envs)
    row = env.reset(seed)
    free = row["obs", "maze_layout"].numpy() != 0
    walls = np.pad(~free, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    visited = np.zeros((num_envs, SIZES[size].cells, SIZES[size].cells), bool)
    rewards, contacts, places = [], [], [row["obs", "agent_pos"].numpy()]
    for _ in range(SIZES[size].episode_length):
        obs = row["obs"]
        if player == "oracle":
            heading = torch.atan2(obs["agent_dir"][:, 1], obs["agent_dir"][:, 0]).numpy()
            driven = oracle_actions(free, obs["agent_pos"].numpy(), heading, obs["target_pos"].numpy())
            row = env.step(torch.from_numpy(driven))
        else:
            row = env.step(torch.randint(6, (num_envs,), generator=generator))
        place = row["obs", "agent_pos"].numpy()
        x, y = np.floor(place).astype(int).T
        visited[rows, y, x] = True
        if player == "random":
            contacts.append(touches(walls, place))
        rewards.append(row["reward"].numpy())
        places.append(place)
    assert row["is_last"].all()
    return {
        "return": np.sum(rewards, axis=0),
        "visited": visited.sum(axis=(1, 2)),
        "contact": np.mean(contacts, axis=0) if contacts else np.zeros(num_envs),
        "travelled": np.linalg.norm(np.diff(places, axis=0), axis=2).sum(axis=0),
    }


def touches(walls: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Whether the bodies at `place` [B, 2] are `CONTACT` or less from a cell of `walls` [B, n, n]."""
    rows, cell, found = np.arange(len(place)), np.floor(place).astype(int), np.zeros(len(place), bool)
    for step in np.ndindex(3, 3):
        x, y = (cell + np.array(step) - 1).T
        away = np.maximum(np.abs(place - np.stack([x, y], axis=1) - 0.5) - 0.5, 0)
        found |= walls[rows, y + 1, x + 1] & (np.square(away).sum(axis=1) <= CONTACT**2)
    return found


def compare(native: np.ndarray, real: list[float]) -> tuple[float, float, float]:
    """The real mean, the difference of the means and its standard error."""
    error = math.sqrt(native.var(ddof=1) / len(native) + np.var(real, ddof=1) / len(real))
    return float(np.mean(real)), float(native.mean() - np.mean(real)), error


@pytest.mark.slow
@pytest.mark.parametrize("size", REAL_SIZES)
def test_the_oracle_in_mazes_of_our_own(size: str) -> None:
    native = play(size, 200, "oracle", seed=1)
    for key in ("return", "travelled", "visited"):
        mean, difference, error = compare(native[key], [episode[key] for episode in recorded("oracle", size)])
        print(f"{size} oracle, {key}: real {mean:.2f}, native - real {difference:.2f} ± {error:.2f}")
        assert abs(difference) < 3 * error


# Of the real mean. Bodies that lean on a wall nearly all the time come free of it a little more often here.
RANDOM_TOLERANCES = {"visited": 0.1, "contact": 0.05, "travelled": 0.15}


@pytest.mark.slow
def test_random_actions() -> None:
    """A wrong rule of the walls would show in how far one comes and how long one leans on them."""
    native = play("9x9", 400, "random", seed=2)
    for key in ("return", "visited", "contact", "travelled"):
        mean, difference, error = compare(
            native[key], [episode[key] for episode in recorded("random", "9x9")]
        )
        print(f"9x9 random, {key}: real {mean:.3f}, native - real {difference:.3f} ± {error:.3f}")
        # Some 30 rewards in all: no share of their mean would be certain.
        assert abs(difference) < (RANDOM_TOLERANCES[key] * mean if key in RANDOM_TOLERANCES else 3 * error)
