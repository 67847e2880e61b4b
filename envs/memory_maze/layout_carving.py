"""The loop that carves layouts as labmaze's `RandomMaze` does, compiled by numba when it is first called.

Rooms and corridors lie at odd rows and columns. The rules, among them the order in which dead ends and bends
are visited, are those of labmaze 1.0.6 (Apache-2.0); its random numbers are not.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engram.common.compiled_loops import compiled
from engram.common.splitmix64 import MULTIPLIERS, SHIFTS, WEYL

Cells: TypeAlias = NDArray[np.uint8]
Integers: TypeAlias = NDArray[np.int64]
State: TypeAlias = NDArray[np.uint64]

OPEN, WALL, DOOR = 0, 1, 2
# SplitMix64's constants as compiled code takes them.
_WEYL = np.uint64(WEYL)
_MULTIPLIER_1, _MULTIPLIER_2 = map(np.uint64, MULTIPLIERS)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = map(np.uint64, SHIFTS)
ROOM_TRIALS = 1000
"""Rooms that may fail to find a place before a layout has all that fit."""


@compiled
def carve_layouts(
    states: State,
    room_sizes: tuple[int, int],
    min_rooms: int,
    walls: Cells,
    rooms: Integers,
    num_rooms: Integers,
) -> None:
    """Write the layouts, row 0 at the top as labmaze has it.

    Args:
        states: [P], where each layout's own random numbers (SplitMix64) begin; overwritten.
        room_sizes: smallest and largest side of a room, odd.
        min_rooms: a layout with fewer is drawn again.
        walls: [P, N, N], overwritten with 1 for walls and 0 for open cells.
        rooms: [P, R, 4], overwritten with the row, column, height and width of at most R rooms.
        num_rooms: [P], overwritten.
    """
    side = walls.shape[1]
    region = np.empty((side, side), np.int64)
    for i in range(len(walls)):
        state, grid = states[i : i + 1], walls[i]
        found = _place_rooms(state, room_sizes, side, rooms[i])
        while found < min_rooms:
            found = _place_rooms(state, room_sizes, side, rooms[i])
        num_rooms[i] = found
        grid[:], region[:] = WALL, 0
        for number in range(found):
            row, column, height, width = rooms[i, number]
            grid[row : row + height, column : column + width] = OPEN
            region[row : row + height, column : column + width] = number + 1
        regions = found
        for row in range(1, side, 2):
            for column in range(1, side, 2):
                if region[row, column] == 0:
                    regions += 1
                    _fill_with_corridors(state, grid, region, row, column, regions)
        doors = _open_doors(state, grid, region, regions)
        _remove_dead_ends(grid)
        _straighten(grid)
        for row, column, beyond_row, beyond_column in doors:
            closed = grid[beyond_row, beyond_column] == WALL
            grid[row, column] = WALL if closed else OPEN


@compiled
def _below(state: State, bound: int) -> int:
    """Draw an integer in [0, bound)."""
    state[0] += _WEYL
    mixed = state[0]
    mixed = (mixed ^ (mixed >> _SHIFT_1)) * _MULTIPLIER_1
    mixed = (mixed ^ (mixed >> _SHIFT_2)) * _MULTIPLIER_2
    mixed = mixed ^ (mixed >> _SHIFT_3)
    return int(np.int64(((mixed >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)))


@compiled
def _place_rooms(state: State, room_sizes: tuple[int, int], side: int, rooms: Integers) -> int:
    """Place rooms that touch none before them until all are there or too many had no place; count them."""
    smallest, largest = (room_sizes[0] - 1) // 2, (room_sizes[1] - 1) // 2
    middle, half_side = (smallest + largest) // 2, (side - 1) // 2
    found, failed = 0, 0
    while found < len(rooms) and failed < ROOM_TRIALS:
        width = smallest + _below(state, middle - smallest + 1)
        height = smallest + _below(state, middle - smallest + 1)
        if _below(state, 2) == 0:
            width += _below(state, largest - middle + 1)
        else:
            height += _below(state, largest - middle + 1)
        row = 2 * _below(state, half_side - height) + 1
        column = 2 * _below(state, half_side - width) + 1
        height, width = 2 * height + 1, 2 * width + 1
        is_free = True
        for other in rooms[:found]:
            apart = row + height <= other[0] or other[0] + other[2] <= row
            apart |= column + width <= other[1] or other[1] + other[3] <= column
            is_free &= apart
        if is_free:
            rooms[found] = row, column, height, width
            found += 1
        else:
            failed += 1
    return found


@compiled
def _fill_with_corridors(
    state: State, grid: Cells, region: Integers, row: int, column: int, number: int
) -> None:
    """Fill what can be reached in steps of two cells with a tree of corridors, depth first."""
    side = len(grid)
    stack = np.empty((side * side, 2), np.int64)
    ways = np.empty((4, 2), np.int64)
    stack[0] = row, column
    depth = 1
    grid[row, column], region[row, column] = OPEN, number
    while depth > 0:
        row, column = stack[depth - 1]
        count = 0
        for way_row, way_column in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            to_row, to_column = row + 2 * way_row, column + 2 * way_column
            if 0 < to_row < side and 0 < to_column < side and region[to_row, to_column] == 0:
                ways[count] = way_row, way_column
                count += 1
        if count == 0:
            depth -= 1
            continue
        way_row, way_column = ways[_below(state, count)]
        for step in (1, 2):
            grid[row + step * way_row, column + step * way_column] = OPEN
            region[row + step * way_row, column + step * way_column] = number
        stack[depth] = row + 2 * way_row, column + 2 * way_column
        depth += 1


@compiled
def _open_doors(state: State, grid: Cells, region: Integers, regions: int) -> Integers:
    """Open one wall, any, between each two regions that share some; return doors and the cells beyond."""
    side = len(grid)
    seen = np.zeros((regions + 1, regions + 1), np.int64)
    chosen = np.empty((regions + 1, regions + 1, 4), np.int64)
    for row in range(1, side, 2):
        for column in range(1, side, 2):
            here = region[row, column]
            for way_row, way_column in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                to_row, to_column = row + 2 * way_row, column + 2 * way_column
                if not (0 < to_row < side and 0 < to_column < side):
                    continue
                there = region[to_row, to_column]
                if there > here:
                    seen[here, there] += 1
                    if _below(state, seen[here, there]) == 0:
                        chosen[here, there] = row + way_row, column + way_column, to_row, to_column
    doors = np.empty((np.count_nonzero(seen), 4), np.int64)
    count = 0
    for here in range(regions + 1):
        for there in range(regions + 1):
            if seen[here, there]:
                doors[count] = chosen[here, there]
                grid[doors[count, 0], doors[count, 1]] = DOOR
                count += 1
    return doors


@compiled
def _remove_dead_ends(grid: Cells) -> None:
    """Wall up every cell with less than two ways out, and so on along its corridor."""
    side = len(grid)
    for start_row in range(1, side - 1):
        for start_column in range(1, side - 1):
            row, column = start_row, start_column
            while grid[row, column] == OPEN:
                exits, last_row, last_column = 0, -1, -1
                for way_row, way_column in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                    cell = grid[row + way_row, column + way_column]
                    exits += cell != WALL
                    if cell == OPEN:
                        last_row, last_column = row + way_row, column + way_column
                if exits > 1:
                    break
                grid[row, column] = WALL
                if last_row < 0:
                    break
                row, column = last_row, last_column


@compiled
def _straighten(grid: Cells) -> None:
    """Straighten bends of a corridor around ever longer walls, beginning again where that made shorter ones.

    A pass ends at its first bend, and the pass over walls of one cell is not begun again: labmaze's rule.
    """
    side = len(grid)
    length = 1
    while length + 3 < side:
        removed = False
        for row in range(1, side - 1):
            for column in range(1, side - 1):
                if not removed and grid[row, column] == WALL:
                    removed = _straighten_bend(grid, row, column, length)
        length = 1 if removed and length != 1 else length + 1


@compiled
def _straighten_bend(grid: Cells, row: int, column: int, length: int) -> bool:
    """Pull a corridor around `length` walls, the first one here, over these walls, as often as it works."""
    removed = False
    again = True
    while again and grid[row, column] == WALL:
        again = False
        for v_row, v_column in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            if _is_bend(grid, row, column, v_row, v_column, length):
                for u in range(-1, length + 1):
                    at_row, at_column = row + u * v_column, column - u * v_row
                    if 0 <= u < length:
                        grid[at_row, at_column] = OPEN
                    grid[at_row + v_row, at_column + v_column] = WALL
                row, column = row - v_row, column - v_column
                removed = again = True
                break
    return removed


@compiled
def _is_bend(grid: Cells, row: int, column: int, v_row: int, v_column: int, length: int) -> bool:
    """Whether a corridor goes up along v, `length` walls along u and down again, with walls around it."""
    side = len(grid)
    u_row, u_column = v_column, -v_row
    for u in range(-1, length + 1):
        at_row, at_column = row + u * u_row, column + u * u_column
        if not (0 < at_row + v_row < side - 1 and 0 < at_column + v_column < side - 1):
            return False
        if not (0 < at_row < side - 1 and 0 < at_column < side - 1):
            return False
        if grid[at_row + v_row, at_column + v_column] != OPEN:
            return False
        if grid[at_row + 2 * v_row, at_column + 2 * v_column] != WALL:
            return False
        if 0 <= u < length:
            if grid[at_row, at_column] != WALL or grid[at_row - v_row, at_column - v_column] != WALL:
                return False
        elif grid[at_row, at_column] != OPEN:
            return False
    for u in (-2, length + 1):
        if grid[row + u * u_row + v_row, column + u * u_column + v_column] != WALL:
            return False
    return True
