"""What was recorded of the real Memory Maze is whole, and is what the rules say."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engram.envs.memory_maze.real import REAL_SIZES
from engram.envs.memory_maze.real.versions import WORKING_PAIRS
from engram.envs.memory_maze.sizes import COLORS, SIZES

RECORDINGS = Path(__file__).parent / "recordings"
BORDERS = ((137, 30, 24), (80, 137, 71), (31, 113, 176), (75, 85, 161), (178, 156, 47), (178, 103, 86))
EPISODES = {("oracle", "9x9"): 50, ("random", "9x9"): 200} | {("oracle", size): 20 for size in REAL_SIZES[1:]}


def episodes(player: str, size: str) -> list[dict]:
    return [json.loads(line) for line in (RECORDINGS / f"{player}_{size}.jsonl").read_text().splitlines()]


def rules() -> dict:
    return json.loads((RECORDINGS / "rules.json").read_text())


def check_recorded_with(versions: dict) -> None:
    assert WORKING_PAIRS[versions["dm_control"]] == versions["mujoco"] and versions["memory-maze"] == "1.0.3"


@pytest.mark.parametrize("size", REAL_SIZES)
def test_frames(size: str) -> None:
    frames = np.load(RECORDINGS / f"frames_{size}.npz")
    check_recorded_with(json.loads(str(frames["versions"])))
    walls, grid = frames["walls"], SIZES[size].grid
    assert walls.shape == (20, grid, grid) and len(np.unique(walls, axis=0)) == 20
    assert frames["classes"].shape == (200, 64, 64) and frames["rgb"].shape == (50, 64, 64, 3)
    assert np.bincount(frames["maze"]).tolist() == [10] * 20
    # Walls have a texture: that of their block, whose rows are counted from the top.
    assert ((frames["cell_textures"] < 8) == walls).all() and set(frames["cell_textures"][~walls]) == {255}
    columns = [np.searchsorted([grid // 3, 2 * grid // 3], cell, side="right") for cell in range(grid)]
    rows = [2 - columns[grid - 1 - cell] for cell in range(grid)]
    blocks = frames["wall_textures"][:, np.array(rows)[:, None], np.array(columns)]
    np.testing.assert_array_equal(blocks[walls], frames["cell_textures"][walls])
    # Targets stand in rooms, no two in one place; the agent is nowhere in a wall.
    for maze, targets in enumerate(frames["target_positions"]):
        cells = np.floor(targets).astype(int) + 1
        assert frames["rooms"][maze, cells[:, 1], cells[:, 0]].all() and len(np.unique(cells, axis=0)) == len(
            cells
        )
    cells = np.floor(frames["position"]).astype(int) + 1
    assert not walls[frames["maze"], cells[:, 1], cells[:, 0]].any()
    assert frames["classes"].max() == 2 + SIZES[size].num_targets
    for image, pose in zip(frames["rgb"], frames["rgb_pose"], strict=True):
        color = frames["target_colors"][frames["maze"][pose], frames["current_target"][pose]]
        assert all(
            (side == BORDERS[color]).all() for side in (image[:2], image[-2:], image[:, :2], image[:, -2:])
        )


def test_touch() -> None:
    recorded = rules()
    check_recorded_with(recorded["versions"])
    for way in ("standing", "passing"):
        assert all((trial["reward"] == 1.0) == (trial["distance"] < 0.775) for trial in recorded[way])
        assert {trial["distance"] for trial in recorded[way]} >= {0.76, 0.77, 0.78, 0.79}
    for trial, before in zip(recorded["approaching"][1:], recorded["approaching"], strict=False):
        crossed = trial["start"] == before["start"] and trial["distance"] < 0.775 <= before["distance"]
        assert (trial["reward"] == 1.0) == crossed


def test_prompt_and_lengths() -> None:
    recorded = rules()
    steps = recorded["prompt"]
    assert list(COLORS)[:3] == ["red", "green", "blue"]
    assert all(tuple(step["border"]) == BORDERS[step["target"]] for step in steps)
    for before, step in pairwise(steps):
        # A reward's own picture shows the next target, which is another; without one it stays.
        assert (step["target"] != before["target"]) == (step["reward"] == 1.0)
    changes = Counter((a["target"], b["target"]) for a, b in pairwise(steps) if b["reward"])
    assert sum(changes.values()) == 120 and len(changes) == 6 and min(changes.values()) > 8
    for size, end in recorded["lengths"].items():
        assert end == {"steps": SIZES[size].episode_length, "terminated": False, "truncated": True}


def test_a_target_in_the_centre_is_touched_before_the_first_step() -> None:
    """MuJoCo's model is compiled with the agent in the centre, where contacts are looked up once."""
    recorded = rules()["centre"]
    assert {trial["current"] for trial in recorded} == {True, False}
    assert all(trial["reward"] == float(trial["current"]) and not trial["visible"] for trial in recorded)


@pytest.mark.parametrize("player, size", EPISODES)
def test_episodes(player: str, size: str) -> None:
    played = episodes(player, size)
    assert len(played) == EPISODES[player, size]
    for episode in played:
        check_recorded_with(episode["versions"])
        assert episode["steps"] == SIZES[size].episode_length and episode["return"] == len(
            episode["reward_steps"]
        )
        assert 0 <= episode["mujoco_contact"] <= 1 and 1 <= episode["visited"] <= SIZES[size].cells ** 2
    assert len({(episode["seed"], episode["episode"]) for episode in played}) == len(played)


def test_scores() -> None:
    oracle = {
        size: np.array([episode["return"] for episode in episodes("oracle", size)]) for size in REAL_SIZES
    }
    # From an earlier, less careful driver's mean up to what the package's authors give as the most, in their readme.
    bounds = zip(REAL_SIZES, (32.4, 45.0, 53.7, 65.7), (34.8, 58.0, 74.5, 87.7), strict=True)
    for size, low, high in bounds:
        error = oracle[size].std() / np.sqrt(len(oracle[size]))
        assert low - 3 * error < oracle[size].mean() < high + 3 * error
    random = np.array([episode["return"] for episode in episodes("random", "9x9")])
    assert random.mean() < 1
