"""What a camera, a map or a player needs to know of a batch of mazes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Scene:
    """A batch of B mazes at one moment; everything a picture shows.

    Lengths are in cells (2 m). The origin is the bottom-left inner corner, x to the right and y up, so that
    an inner cell's centre is at (i + .5, j + .5) and the grid's entry [y, x] of a point is its floor plus 1.

    Attributes:
        walls: bool [B, N, N], indexed [y, x], y = 0 the bottom outer wall.
        rooms: bool [B, N, N]; the floor is a room's, not a corridor's.
        wall_textures: uint8 [B, 3, 3], indexed [y, x]: entry of `WALL_TEXTURES` for each block of the grid,
            whose edges are at floor(i * N / 3) from the left and, as rows count from the top, at ceil(i * N / 3)
            from the bottom.
        position: float32 [B, 2], the centre of the body.
        heading: float32 [B], radians, counter-clockwise from the x axis.
        target_positions: float32 [B, K, 2].
        target_colors: uint8 [B, K], entries of `COLORS`.
        current_target: int64 [B] in [0, K): whose colour the border shows.
    """

    walls: Tensor
    rooms: Tensor
    wall_textures: Tensor
    position: Tensor
    heading: Tensor
    target_positions: Tensor
    target_colors: Tensor
    current_target: Tensor
