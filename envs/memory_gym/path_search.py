"""The search that lays out hidden paths, compiled by numba when it is first called.

Compiled code is kept beside this file, names its package, and is taken as long as the file has its time and size.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engram.common.compiled_loops import compiled

Draws: TypeAlias = NDArray[np.int64]
Cells: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


@compiled
def find_paths(draws: Draws, starts: Cells, ends: Cells, size: int, on_path: Flags) -> None:
    """Lay a path from start to end of every grid, around walls drawn at random.

    Walls are each inner cell but those beside the lower or right border with a chance of 0.33, then 4 or 8 cells of the
    border, or as many as there are, that touch no inner wall, not even at a corner, and are neither start nor end nor
    beside them. The search goes on from the first open cell that is cheaper than the one opened first, or from that
    one; a step costs 1 to 8, drawn whenever it is looked at, and a cheaper way to an open cell becomes the way to it
    but leaves its cost. It always ends: all free cells are connected.

    Args:
        draws: [N, D] in [0, 2**32), D at least `num_draws(size)`.
        starts: number `size * x + y` of a cell of the border, [N].
        ends: the same, of the opposite side, [N].
        size: cells along a side.
        on_path: bool [N, size**2], overwritten.
    """
    num_cells = size * size
    is_wall, free = np.empty(num_cells, np.bool_), np.empty(num_cells, np.int64)
    state = np.empty(num_cells, np.int64)  # 0 unseen, 1 open, 2 closed
    cost, total = np.empty(num_cells), np.empty(num_cells)
    came_from, opened = np.empty(num_cells, np.int64), np.empty(num_cells, np.int64)
    steps_x, steps_y = np.array([1, -1, 0, 0]), np.array([0, 0, 1, -1])
    for i in range(len(draws)):
        used, start, end = 0, starts[i], ends[i]
        for cell in range(num_cells):
            x, y = cell // size, cell % size
            is_wall[cell] = False
            if 0 < x < size - 2 and 0 < y < size - 2:
                is_wall[cell] = (draws[i, used] * 100) >> 32 < 33
                used += 1
        count = 0
        for cell in range(num_cells):
            x, y = cell // size, cell % size
            if 0 < x < size - 1 and 0 < y < size - 1:
                continue
            near_start = abs(x - start // size) + abs(y - start % size) <= 1
            near_end = abs(x - end // size) + abs(y - end % size) <= 1
            touches = False
            for other_x in range(max(x - 1, 0), min(x + 2, size)):
                for other_y in range(max(y - 1, 0), min(y + 2, size)):
                    touches |= is_wall[other_x * size + other_y]
            if not (near_start or near_end or touches):
                free[count] = cell
                count += 1
        wanted = 4 + 4 * (draws[i, used] >> 31)
        used += 1
        for number in range(8):
            if number < wanted and count > 0:
                taken = (draws[i, used + number] * count) >> 32
                is_wall[free[taken]] = True
                count -= 1
                free[taken] = free[count]
        used += 8
        state[:] = 0
        cost[start], total[start], came_from[start], state[start] = 0.0, 0.0, -1, 1
        opened[0], num_open = start, 1
        while True:
            place = 0
            for other in range(num_open):
                if total[opened[other]] < total[opened[0]]:
                    place = other
                    break
            cell = opened[place]
            if cell == end:
                break
            for other in range(place, num_open - 1):
                opened[other] = opened[other + 1]
            num_open -= 1
            state[cell] = 2
            for way in range(4):
                x, y = cell // size + steps_x[way], cell % size + steps_y[way]
                if x < 0 or y < 0 or x >= size or y >= size:
                    continue
                beside = x * size + y
                if state[beside] == 2 or is_wall[beside]:
                    continue
                reached = cost[cell] + 1 + ((draws[i, used] * 8) >> 32)
                used += 1
                if state[beside] == 0:
                    cost[beside], state[beside] = reached, 1
                    opened[num_open] = beside
                    num_open += 1
                elif reached >= cost[beside]:
                    continue
                total[beside] = cost[beside] + np.hypot(x - end // size, y - end % size)
                came_from[beside] = cell
        on_path[i] = False
        while cell >= 0:
            on_path[i, cell] = True
            cell = came_from[cell]


def num_draws(size: int) -> int:
    """Return how many numbers a path is drawn from at most."""
    return (size - 3) ** 2 + 9 + 4 * size**2
