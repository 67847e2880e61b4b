"""The driver that knows the maze."""

import math

import numpy as np
import pytest

from engram.envs.memory_maze.oracle import oracle_action, oracle_actions

NOOP, FORWARD, LEFT, RIGHT, FORWARD_LEFT, FORWARD_RIGHT = range(6)
# Bottom row first.
RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
START = np.array([0.5, 0.5])


@pytest.mark.parametrize(
    "degrees, action",
    [
        (0, FORWARD),
        (8, FORWARD),
        (30, FORWARD_RIGHT),
        (-30, FORWARD_LEFT),
        (90, RIGHT),
        (-120, LEFT),
        (179, RIGHT),
    ],
)
def test_steering_towards_a_target_in_sight(degrees: float, action: int) -> None:
    target = np.array([2.5, 0.5])
    assert oracle_action(RING, START, math.radians(degrees), target) == action
    assert oracle_action(RING, START, math.radians(degrees + 360), target) == action


def test_it_takes_the_shorter_way_around_a_wall() -> None:
    layout = np.ones((5, 5), np.uint8)
    layout[1:4, 2] = 0
    layout[0, 2] = 0  # only the top row connects the sides
    assert oracle_action(layout, np.array([1.5, 0.5]), math.pi / 2, np.array([3.5, 0.5])) == FORWARD
    layout[0, 2] = 1
    assert oracle_action(layout, np.array([1.5, 0.5]), 0.0, np.array([3.5, 0.5])) == FORWARD


def test_it_keeps_its_distance_from_corners() -> None:
    # The straight way from (0.5, 0.5) to (2.5, 1.2) would cut the corner of the wall in the middle.
    straight = math.atan2(0.7, 2.0)
    assert oracle_action(RING, START, 0.0, np.array([2.5, 1.2])) == FORWARD
    assert oracle_action(RING, START, straight, np.array([2.5, 1.2])) == FORWARD_RIGHT


def test_it_arrives_from_everywhere() -> None:
    """A disc that moves a quarter of a cell and turns 18 degrees per action, and stops at walls, gets there."""
    generator = np.random.default_rng(0)
    count, size = 60, 9
    layouts = np.ones((count, size, size), np.uint8)
    layouts[:, 1::2, 1::2] = 0
    layouts[:, 1::2, 0::2] &= generator.integers(0, 2, (count, 4, 5), dtype=np.uint8)
    layouts[:, 1::2, -1] = 1
    cells = 2 * generator.integers(0, 5, (2, count, 2))
    positions, targets = cells[0] + 0.5, cells[1] + 0.5
    headings = generator.uniform(-7, 7, count)
    arrived = np.zeros(count, bool)
    for _ in range(250):
        actions = oracle_actions(layouts, positions, headings, targets)
        alone = oracle_action(layouts[3], positions[3], headings[3], targets[3])
        assert alone == actions[3]
        turn = np.isin(actions, (LEFT, FORWARD_LEFT)) * 1.0 - np.isin(actions, (RIGHT, FORWARD_RIGHT))
        headings = headings + math.radians(18) * turn
        drive = np.isin(actions, (FORWARD, FORWARD_LEFT, FORWARD_RIGHT))
        ahead = np.stack([np.cos(headings), np.sin(headings)], axis=1)
        moved = positions + 0.25 * drive[:, None] * ahead
        cell = np.clip(np.floor(moved).astype(int), 0, size - 1)
        inside = ((moved > 0.1) & (moved < size - 0.1)).all(1)
        may = inside & (layouts[np.arange(count), cell[:, 1], cell[:, 0]] == 1)
        positions = np.where(may[:, None], moved, positions)
        arrived |= np.linalg.norm(positions - targets, axis=1) < 0.387
    assert arrived.all()


def test_inputs_stay_as_they_are() -> None:
    layout, position, target = RING.copy(), START.copy(), np.array([2.5, 2.5])
    oracle_action(layout, position, 0.3, target)
    assert (layout == RING).all() and (position == START).all() and (target == 2.5).all()
