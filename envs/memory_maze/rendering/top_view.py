"""Pictures of one maze for people: seen from above, and beside what its agent sees."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engram.envs.drawing import BACKGROUND, INK, WHITE, Color, Image, draw_grid
from engram.envs.memory_maze.rendering.reference import block_of
from engram.envs.memory_maze.rendering.shading import TARGET_RADIUS, target_lights
from engram.envs.memory_maze.scene import Scene
from engram.envs.memory_maze.sizes import WALL_TEXTURES

GAP = 8
"""Pixels between two pictures."""
_AGENT_LENGTH = 0.45
_PATH_WIDTH = 0.08
_PATH_REACH = 0.2
"""Cells around a path within which its smooth edge lies: half its width and a pixel's diagonal."""
_Field = NDArray[np.floating]


def draw_top_view(
    scene: Scene, textures: Tensor, index: int = 0, cell_size: int = 24, path: Tensor | None = None
) -> Image:
    """Draw one maze from above, north on top.

    Walls and floors have the mean colours of their pictures, targets their own; the current one has a white
    rim. The agent is a white arrowhead.

    Args:
        scene: B mazes.
        textures: of `load_textures`.
        index: which of the mazes.
        cell_size: pixels along a side of a cell.
        path: places the agent has been to, [T, 2] in cells, drawn as a line.

    Returns:
        uint8 [N * cell_size, N * cell_size, 3].
    """
    picture = _draw_map(scene, textures, index, cell_size).astype(np.float32)
    size = scene.walls.shape[-1]
    # The coordinates of the pixels' centres, in cells.
    y, x = np.mgrid[: size * cell_size, : size * cell_size].astype(np.float32) + 0.5
    x, y = x / cell_size - 1.0, size - 1.0 - y / cell_size
    if path is not None:
        places = path.detach().cpu().to(torch.float32).numpy()
        _paint(picture, _line(x, y, places) - 0.5 * _PATH_WIDTH, WHITE, cell_size, 0.7)
    lights = target_lights(torch.device("cpu"))[scene.target_colors[index].long().cpu()]
    for k, (place, light) in enumerate(zip(scene.target_positions[index].tolist(), lights, strict=True)):
        away = np.hypot(x - place[0], y - place[1])
        if k == int(scene.current_target[index]):
            _paint(picture, away - 1.4 * TARGET_RADIUS, WHITE, cell_size)
        _paint(picture, away - TARGET_RADIUS, light.numpy(), cell_size)
    arrow = _arrow(x, y, scene.position[index].tolist(), float(scene.heading[index]))
    _paint(picture, arrow - 0.06, INK, cell_size)
    _paint(picture, arrow, WHITE, cell_size)
    return np.rint(picture).astype(np.uint8)


def side_by_side(view: Tensor | Image, top: Image) -> Image:
    """Set what an agent sees beside the maze from above, equally tall, as one frame of a video.

    Args:
        view: uint8 [H, W, 3]; its pixels become squares.
        top: uint8 [height, width, 3].

    Returns:
        uint8 [height, height * W / H + GAP + width, 3].
    """
    pixels = view.cpu().numpy() if isinstance(view, Tensor) else view
    height = top.shape[0]
    width = height * pixels.shape[1] // pixels.shape[0]
    rows = np.arange(height) * pixels.shape[0] // height
    columns = np.arange(width) * pixels.shape[1] // width
    gap = np.full((height, GAP, 3), BACKGROUND, dtype=np.uint8)
    return np.concatenate((pixels[rows[:, None], columns], gap, top), axis=1)


def _draw_map(scene: Scene, textures: Tensor, index: int, cell_size: int) -> Image:
    """Draw walls, corridors and rooms."""
    size = scene.walls.shape[-1]
    cell = torch.arange(size)
    blocks = scene.wall_textures[index].cpu().long()
    walls = blocks[block_of(cell, size, True)[:, None], block_of(cell, size)[None, :]]
    floors = len(WALL_TEXTURES) + scene.rooms[index].cpu().long()
    cells = torch.where(scene.walls[index].cpu(), walls, floors).flip(0)
    palette: list[Color] = [(red, green, blue) for red, green, blue, _ in textures[:, -1].tolist()]
    return draw_grid(cells, palette, cell_size, gap=0)


def _paint(
    picture: _Field, outside: _Field, color: Color | NDArray, cell_size: int, share: float = 1.0
) -> None:
    """Lay a colour over the pixels of a shape, given by the distances to its outline in cells."""
    covered = np.clip(0.5 - outside * cell_size, 0.0, 1.0)[..., None] * share
    picture += (np.asarray(color, dtype=np.float32) - picture) * covered


def _line(x: _Field, y: _Field, places: NDArray) -> _Field:
    """Return the distances to a line through places, exact near it and infinite further away.

    Each of its parts is measured around itself only, so that a frame costs the same late in an episode.
    """
    distance = np.hypot(x - places[0, 0], y - places[0, 1])
    distance[distance > _PATH_REACH] = np.inf
    for begin, end in itertools.pairwise(places):
        low, high = np.minimum(begin, end) - _PATH_REACH, np.maximum(begin, end) + _PATH_REACH
        columns = slice(*np.searchsorted(x[0], (low[0], high[0])))
        rows = slice(*np.searchsorted(-y[:, 0], (-high[1], -low[1])))
        near_x, near_y, along = x[rows, columns], y[rows, columns], end - begin
        share = (near_x - begin[0]) * along[0] + (near_y - begin[1]) * along[1]
        share = np.clip(share / max(float(along @ along), 1e-12), 0.0, 1.0)
        to_line = np.hypot(near_x - begin[0] - share * along[0], near_y - begin[1] - share * along[1])
        distance[rows, columns] = np.minimum(distance[rows, columns], to_line)
    return distance


def _arrow(x: _Field, y: _Field, place: list[float], heading: float) -> _Field:
    """Return the distances to a triangle that points along the heading."""
    cos, sin = np.cos(heading), np.sin(heading)
    ahead = (x - place[0]) * cos + (y - place[1]) * sin
    aside = np.abs((x - place[0]) * sin - (y - place[1]) * cos)
    flank = (aside * 2.0 + ahead - _AGENT_LENGTH) / np.sqrt(5.0)
    return np.maximum(flank, -ahead - 0.5 * _AGENT_LENGTH)
