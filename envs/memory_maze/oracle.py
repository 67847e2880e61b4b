"""A driver that knows the maze: the shortest path, and steering along the line of sight.

It plays the real environment and the native one alike, so that their physics can be compared by its score, and gives
the return that a perfect memory with plain driving reaches.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# The body's radius is 0.1 cell; paths keep this distance from walls, because walls hold what touches them.
_CLEARANCE = 0.14
_SAMPLES_PER_CELL = 12
# A turn adds 18 degrees per step, so half of it is as straight as it gets.
_STRAIGHT = math.radians(9.5)
_TURN_IN_PLACE = math.radians(65.0)
_NOOP, _FORWARD, _LEFT, _RIGHT, _FORWARD_LEFT, _FORWARD_RIGHT = range(6)


def oracle_actions(
    layouts: np.ndarray, positions: np.ndarray, headings: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Choose the actions that lead a batch of agents to their targets; a pure function.

    Lengths are in cells from the bottom-left inner corner, as in `Scene` and in the package's ExtraObs.

    Args:
        layouts: [B, n, n] indexed [y, x], nonzero where the inner cell is free (`maze_layout`).
        positions: [B, 2] (`agent_pos`).
        headings: [B], radians counter-clockwise from the x axis (the angle of `agent_dir`).
        targets: [B, 2], the current target of each (`target_pos`).

    Returns:
        int64 [B]: 0 noop, 1 forward, 2 left, 3 right, 4 forward and left, 5 forward and right.
    """
    free = np.ascontiguousarray(layouts) != 0
    return np.asarray(
        _act_all(free, positions.astype(np.float64), headings.astype(np.float64), targets.astype(np.float64))
    )


def oracle_action(layout: np.ndarray, position: np.ndarray, heading: float, target: np.ndarray) -> int:
    """Choose the action of one agent: `oracle_actions` for layout [n, n], position [2] and target [2]."""
    alone = (np.asarray(value)[None] for value in (layout, position, heading, target))
    return int(oracle_actions(*alone)[0])


@njit(cache=True)
def _act_all(free, positions, headings, targets):  # type: ignore[no-untyped-def]
    actions = np.empty(len(free), np.int64)
    for index in range(len(free)):
        waypoint = _waypoint(free[index], positions[index], targets[index])
        actions[index] = _steer(positions[index], headings[index], waypoint)
    return actions


@njit(cache=True)
def _steer(position, heading, waypoint):  # type: ignore[no-untyped-def]
    """Turn towards the waypoint, and drive unless it is far to the side."""
    bearing = math.atan2(waypoint[1] - position[1], waypoint[0] - position[0])
    error = (bearing - heading + math.pi) % (2 * math.pi) - math.pi
    if abs(error) <= _STRAIGHT:
        return _FORWARD
    if abs(error) > _TURN_IN_PLACE:
        return _LEFT if error > 0 else _RIGHT
    return _FORWARD_LEFT if error > 0 else _FORWARD_RIGHT


@njit(cache=True)
def _waypoint(free, position, target):  # type: ignore[no-untyped-def]
    """The farthest point of the shortest path that the agent can drive to straight on.

    The path runs through the centres of cells and ends at the target.
    """
    size = len(free)
    distances = _distances(free, _cell(target[0], size), _cell(target[1], size))
    x, y = _cell(position[0], size), _cell(position[1], size)
    waypoint = np.array((x + 0.5, y + 0.5))
    if _clear(free, position, target):
        return target
    is_next = True
    while distances[y, x] > 0:
        x, y = _closer(distances, x, y)
        centre = np.array((x + 0.5, y + 0.5))
        # The next cell will do even where the agent is closer to a wall than it should be.
        if _clear(free, position, centre) or (is_next and _between(position, x, y)):
            waypoint = centre
        is_next = False
    return waypoint


@njit(cache=True)
def _cell(coordinate, size):  # type: ignore[no-untyped-def]
    return min(max(math.floor(coordinate), 0), size - 1)


@njit(cache=True)
def _between(position, x, y):  # type: ignore[no-untyped-def]
    """Whether the agent is far enough from the edges of the passage into a neighbouring cell."""
    inner = 0.5 - _CLEARANCE / 2
    return abs(position[0] - x - 0.5) < inner or abs(position[1] - y - 0.5) < inner


@njit(cache=True)
def _closer(distances, x, y):  # type: ignore[no-untyped-def]
    """The neighbouring cell that is one step closer to the target."""
    for dx, dy in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        column, row = x + dx, y + dy
        inside = 0 <= row < len(distances) and 0 <= column < len(distances)
        if inside and distances[row, column] == distances[y, x] - 1:
            return column, row
    return x, y


@njit(cache=True)
def _distances(free, x, y):  # type: ignore[no-untyped-def]
    """Steps from every cell to (x, y) by breadth-first search; -1 where there is no way."""
    size = len(free)
    distances = np.full((size, size), -1, np.int64)
    queue = np.empty((size * size, 2), np.int64)
    queue[0] = x, y
    distances[y, x] = 0
    first, last = 0, 1
    while first < last:
        x, y = queue[first]
        first += 1
        for dx, dy in ((1, 0), (0, 1), (-1, 0), (0, -1)):
            column, row = x + dx, y + dy
            inside = 0 <= row < size and 0 <= column < size
            if inside and free[row, column] and distances[row, column] < 0:
                distances[row, column] = distances[y, x] + 1
                queue[last] = column, row
                last += 1
    return distances


@njit(cache=True)
def _clear(free, start, end):  # type: ignore[no-untyped-def]
    """Whether a square of half-width `_CLEARANCE` moves from start to end without touching a wall."""
    size = len(free)
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    samples = int(length * _SAMPLES_PER_CELL) + 1
    for sample in range(1, samples + 1):
        x = start[0] + (end[0] - start[0]) * sample / samples
        y = start[1] + (end[1] - start[1]) * sample / samples
        for dx, dy in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
            column = math.floor(x + dx * _CLEARANCE)
            row = math.floor(y + dy * _CLEARANCE)
            if not (0 <= row < size and 0 <= column < size and free[row, column]):
                return False
    return True
