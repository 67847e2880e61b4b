"""How an episode of Memory Maze begins: its layout, its looks, its targets and where the agent stands."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engram.common.random import hash_integers, hash_prefix, purpose, randint, uniform
from engram.envs.memory_maze.layouts import Layouts
from engram.envs.memory_maze.motion import bodies_at
from engram.envs.memory_maze.sizes import COLORS, WALL_TEXTURES, MazeSize

_LAYOUT, _ROOMS, _OBJECTS, _ROOM, _SPAWN, _HEADING, _TEXTURES, _COLORS, _FIRST, _NEXT = (
    purpose(name)
    for name in (
        "layout",
        "order of rooms",
        "objects",
        "room of the agent",
        "cell of the agent",
        "heading",
        "wall textures",
        "colors",
        "first target",
        "next target",
    )
)
_NO_ROOM = 1 << 32


def begin_episodes(
    size: MazeSize,
    layouts: Layouts,
    shuffle_colors: bool,
    seed: Tensor,
    env_index: Tensor,
    episode: Tensor,
    number: Tensor | None = None,
) -> dict[str, Tensor]:
    """Draw episodes: what `MemoryMaze` has under `task` when they begin.

    Every room has an object and a place for the agent in two different cells. Targets take the objects of so
    many rooms, in any order; the agent begins in any room.

    Args:
        size: of the maze.
        layouts: to choose from.
        shuffle_colors: whether targets take any of the six colours rather than the first ones in order.
        seed: int64 [B].
        env_index: int64 [B].
        episode: int64 [B]; of trials, the trial.
        number: of the episode in its trial, int64 [B]: the maze, its looks and its targets are those of number 0, while
            the agent's place and the order of the targets are new. None is 0.

    Returns:
        `draws` int64 [B] that further draws hash, `layout` int64 [B], `wall_textures` uint8 [B, 3, 3],
        `target_positions` float32 [B, K, 2], `target_colors` uint8 [B, K], `current_target` int64 [B],
        `reached` bool [B, K], `body` float64 [B, 9].
    """
    maze = hash_prefix(seed, env_index, episode)
    draws = maze if number is None else torch.where(number == 0, maze, hash_prefix(maze, number))
    each = maze[:, None]
    layout = randint(len(layouts), _LAYOUT, prefix=maze)
    room = torch.arange(size.max_rooms, device=maze.device)
    exists = room < layouts.num_rooms[layout][:, None]
    order = torch.where(exists, hash_integers(_ROOMS, room, prefix=each), _NO_ROOM).argsort(
        dim=1, stable=True
    )
    corners, sides = layouts.corners[layout], layouts.sides[layout]
    objects = randint(sides.prod(2), _OBJECTS, room, prefix=each)
    targets = order[:, : size.num_targets]
    own = randint(layouts.num_rooms[layout], _ROOM, prefix=draws)[:, None]
    # One cell less to choose from, and the object's is passed over.
    spawn = randint(sides.prod(2).gather(1, own) - 1, _SPAWN, prefix=draws[:, None])
    spawn = spawn + (spawn >= objects.gather(1, own))
    heading = uniform(_HEADING, prefix=draws).to(torch.float64) * math.tau
    block = torch.arange(9, device=draws.device)
    return {
        "draws": draws,
        "layout": layout,
        "wall_textures": randint(len(WALL_TEXTURES), _TEXTURES, block, prefix=each)
        .to(torch.uint8)
        .view(-1, 3, 3),
        "target_positions": _centres(corners, sides, targets, objects.gather(1, targets)),
        "target_colors": _colors(maze, size.num_targets, shuffle_colors),
        "current_target": randint(size.num_targets, _FIRST, prefix=draws),
        "reached": torch.zeros_like(targets, dtype=torch.bool),
        "body": bodies_at(_centres(corners, sides, own, spawn).squeeze(1), heading),
    }


def _centres(corners: Tensor, sides: Tensor, room: Tensor, cell: Tensor) -> Tensor:
    """Centres of cells, numbered row by row in rooms [B, k], from the inner corner: float32 [B, k, 2]."""
    index = room[..., None].expand(-1, -1, 2)
    corner, width = corners.gather(1, index), sides[..., 0].gather(1, room)
    inside = torch.stack([cell % width, cell // width], dim=2)
    return (corner + inside).to(torch.float32) - 0.5


def _colors(draws: Tensor, count: int, shuffled: bool) -> Tensor:
    """The targets' colours, uint8 [B, count]."""
    color = torch.arange(len(COLORS), device=draws.device)
    if shuffled:
        order = hash_integers(_COLORS, color, prefix=draws[:, None]).argsort(dim=1, stable=True)
    else:
        order = color.expand(len(draws), -1)
    return order[:, :count].to(torch.uint8).contiguous()


def next_targets(current: Tensor, touching: Tensor, draws: Tensor, time: Tensor) -> Tensor:
    """Draw each next target from those that are not touched; if all are, from all but the current one.

    Args:
        current: int64 [B].
        touching: bool [B, K].
        draws: int64 [B], of the episode.
        time: int64 [B].

    Returns:
        int64 [B], never the current one.
    """
    number = torch.arange(touching.shape[1], device=current.device)
    other = number != current[:, None]
    free = other & ~touching
    allowed = torch.where(free.any(1, keepdim=True), free, other)
    rank = allowed.cumsum(1)
    chosen = randint(rank[:, -1], _NEXT, time, prefix=draws)
    return (rank <= chosen[:, None]).sum(1)
