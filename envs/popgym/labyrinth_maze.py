"""Mazes as POPGym's labyrinths have them: carved by hunt-and-kill, with openings in opposite outer walls."""

from __future__ import annotations

import torch
from torch import Tensor

from engram.common.random import hash_integers, purpose
from engram.envs.popgym.boards import choose

FREE, WALL, START, GOAL = range(4)
_CARVING, _SIDE, _ENTRY, _EXIT = (purpose(name) for name in ("carving", "side", "entry", "exit"))


def draw_mazes(rooms: int, *parts: int | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Draw mazes.

    Rooms lie at the odd rows and columns of a grid; corridors between them make a tree. A walk begins in any
    room and goes to any unvisited neighbour, each equally likely, until there is none; then it goes on from
    any visited room beside an unvisited one, until all are visited.

    The package hunts by blind trials, (2 * rooms + 1)**2 in all, which has the same outcome unless the
    trials run out; that was not seen in 5,000 mazes.

    Args:
        rooms: along a side.
        *parts: what the mazes are hashed from; a tensor is int64 [N].

    Returns:
        The grids, uint8 [N, C] row by row with C = (2 * rooms + 1)**2: FREE or WALL; and the cells of the
        start and of the end in the outer wall, int64 [N], which are WALL still.
    """
    columns = [part.unsqueeze(1) if isinstance(part, Tensor) else part for part in parts]
    device = next(part.device for part in parts if isinstance(part, Tensor))
    number = torch.arange(rooms**2, device=device)
    grids = carve(hash_integers(*columns, _CARVING, number), rooms)
    side, entry, exit = (
        (hash_integers(*parts, what) * count) >> 32
        for what, count in ((_SIDE, 4), (_ENTRY, rooms), (_EXIT, rooms))
    )
    openings = _openings(rooms, device)
    return grids, openings[side, entry], openings[side ^ 1, exit]


def _openings(rooms: int, device: torch.device) -> Tensor:
    """The cells of the outer wall beside a room, int64 [4, rooms]: north, south, west, east."""
    side = 2 * rooms + 1
    odd = 2 * torch.arange(rooms, device=device) + 1
    return torch.stack([odd, (side - 1) * side + odd, odd * side, odd * side + side - 1])


def carve(draws: Tensor, rooms: int) -> Tensor:
    """Carve mazes, by a compiled loop in host memory; while compiling, as one node of the graph.

    Args:
        draws: int64 [N, rooms**2], uniform in [0, 2**32).
        rooms: along a side.

    Returns:
        uint8 [N, (2 * rooms + 1)**2].
    """
    if torch.compiler.is_compiling():
        return _carve_node(draws, rooms)
    return _carve(draws, rooms)


def carve_reference(draws: Tensor, rooms: int) -> Tensor:
    """Do what `carve` does, in about 30 torch operations for every room."""
    count, side, padded = len(draws), 2 * rooms + 1, rooms + 2
    room_at = torch.arange(padded**2, device=draws.device).view(padded, padded)[1:-1, 1:-1].flatten()
    at = torch.arange(padded**2, device=draws.device)
    cell_at = (2 * (at // padded) - 1) * side + 2 * (at % padded) - 1
    # -padded, padded, -1, 1; not from a list, since copying one to a device waits for it.
    way = torch.arange(4, device=draws.device)
    steps = torch.where(way < 2, padded, 1) * (2 * (way % 2) - 1)
    # The rooms have a frame that counts as visited, so that no walk leaves them.
    visited = torch.ones(count, padded**2, dtype=torch.bool, device=draws.device)
    visited[:, room_at] = False
    grids = torch.full((count, side**2), WALL, dtype=torch.uint8, device=draws.device)
    room = room_at[(draws[:, 0] * rooms**2) >> 32]
    visited.scatter_(1, room.unsqueeze(1), True)
    grids.scatter_(1, cell_at[room].unsqueeze(1), FREE)
    for number in range(1, rooms**2):
        # Every number carves one room. 16 bits choose among at most 81 and 4, so that none is 0.2% likelier.
        high, low = draws[:, number] >> 16, draws[:, number] & 0xFFFF
        is_open = ~visited.view(count, padded, padded)
        beside = is_open[:, :-2, 1:-1] | is_open[:, 2:, 1:-1] | is_open[:, 1:-1, :-2] | is_open[:, 1:-1, 2:]
        hunted = choose((beside & ~is_open[:, 1:-1, 1:-1]).flatten(1), high, bits=16)
        stuck = visited.gather(1, room.unsqueeze(1) + steps).all(1)
        room = torch.where(stuck, room_at[hunted], room)
        way = choose(~visited.gather(1, room.unsqueeze(1) + steps), low, bits=16)
        following = room + steps[way]
        cell, next_cell = cell_at[room], cell_at[following]
        visited.scatter_(1, following.unsqueeze(1), True)
        grids.scatter_(1, next_cell.unsqueeze(1), FREE)
        grids.scatter_(1, ((cell + next_cell) // 2).unsqueeze(1), FREE)
        room = following
    return grids


def _carve(draws: Tensor, rooms: int) -> Tensor:
    """Carve where the draws are."""
    if draws.device.type != "cpu":
        return carve_reference(draws, rooms)
    # numba is imported where it is first needed, since that takes half a second.
    from engram.envs.popgym.labyrinth_carving import carve_mazes

    grids = torch.empty(len(draws), (2 * rooms + 1) ** 2, dtype=torch.uint8)
    carve_mazes(draws.contiguous().numpy(), rooms, grids.numpy())
    return grids


@torch.library.custom_op("engram::carve_mazes", mutates_args=())
def _carve_node(draws: Tensor, rooms: int) -> Tensor:
    """Carve as one node of a graph, whose tracing would otherwise take some thousand operations."""
    return _carve(draws, rooms)


@_carve_node.register_fake
def _(draws: Tensor, rooms: int) -> Tensor:
    return draws.new_empty((draws.shape[0], (2 * rooms + 1) ** 2), dtype=torch.uint8)
