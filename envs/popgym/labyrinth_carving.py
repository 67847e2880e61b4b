"""The loop that carves labyrinths in host memory, compiled by numba when it is first called.

It is the loop of `labyrinth_maze.carve_reference`, one maze after the other, which is some twenty times faster
there than the same arithmetic in torch for the few mazes that a step needs.

Compiled code is kept beside this file, names its package, and is taken as long as the file has its time and size.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engram.common.compiled_loops import compiled

Draws: TypeAlias = NDArray[np.int64]
Cells: TypeAlias = NDArray[np.uint8]


@compiled
def carve_mazes(draws: Draws, rooms: int, grids: Cells) -> None:
    """Write the mazes.

    Args:
        draws: [N, rooms**2] in [0, 2**32).
        rooms: along a side.
        grids: [N, (2 * rooms + 1)**2], overwritten with 1 for walls and 0 for corridors.
    """
    side, padded = 2 * rooms + 1, rooms + 2
    steps = np.array([-padded, padded, -1, 1])
    moves = np.array([-side, side, -1, 1])
    visited = np.empty(padded * padded, np.bool_)
    for i in range(len(draws)):
        grid = grids[i]
        grid[:] = 1
        visited[:] = True
        for row in range(1, rooms + 1):
            visited[row * padded + 1 : row * padded + rooms + 1] = False
        start = (draws[i, 0] * (rooms * rooms)) >> 32
        row, column = start // rooms, start % rooms
        room, cell = (row + 1) * padded + column + 1, (2 * row + 1) * side + 2 * column + 1
        visited[room] = True
        grid[cell] = 0
        for number in range(1, rooms * rooms):
            high, low = draws[i, number] >> 16, draws[i, number] & 0xFFFF
            ways = 4
            for step in steps:
                ways -= visited[room + step]
            if ways == 0:  # hunt: go on from any visited room beside an unvisited one
                count = 0
                for row in range(rooms):
                    for column in range(rooms):
                        at = (row + 1) * padded + column + 1
                        if visited[at]:
                            for step in steps:
                                if not visited[at + step]:
                                    count += 1
                                    break
                rank = (high * count) >> 16
                for row in range(rooms):
                    for column in range(rooms):
                        at = (row + 1) * padded + column + 1
                        if visited[at] and rank >= 0:
                            for step in steps:
                                if not visited[at + step]:
                                    if rank == 0:
                                        room, cell = at, (2 * row + 1) * side + 2 * column + 1
                                    rank -= 1
                                    break
                ways = 4
                for step in steps:
                    ways -= visited[room + step]
            rank = (low * ways) >> 16
            for way in range(4):
                if not visited[room + steps[way]]:
                    if rank == 0:
                        grid[cell + moves[way]] = 0
                        room, cell = room + steps[way], cell + 2 * moves[way]
                        break
                    rank -= 1
            grid[cell] = 0
            visited[room] = True
