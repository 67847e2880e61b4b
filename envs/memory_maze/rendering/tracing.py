"""What the ray of every pixel meets first, in plain torch: the reference of the compiled kernels' geometry.

A ray is followed from cell to cell through the grid, horizontally; its height then says whether it meets the
wall's side, its top, or has met the floor before. No Python branch depends on a tensor, so that the whole can
be captured on CUDA.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engram.envs.memory_maze.rendering.camera import (
    CAMERA_AHEAD,
    CAMERA_HEIGHT,
    COS_PITCH,
    SIN_PITCH,
    pixel_slopes,
)
from engram.envs.memory_maze.rendering.shading import TARGET_RADIUS
from engram.envs.memory_maze.scene import Scene

X_FACE, Y_FACE, TOP, FLOOR, SKY, TARGET = range(6)
"""Kinds of surfaces: a wall's side that looks along the x axis or the y axis, …; target i is TARGET + i."""
SMALLEST_SLOPE = 1e-6
"""A ray that is more nearly parallel to a grid line than this is taken to be this much inclined to it."""


class Rays(NamedTuple):
    """The rays of B cameras, shapes broadcasting to [B, H, W]; all float32.

    Attributes:
        right: a of `camera`, [1, 1, W].
        below: b, [1, H, 1].
        ahead: horizontal speed along the heading, [1, H, 1].
        up: vertical speed, [1, H, 1].
        cos: of the heading, [B, 1, 1].
        sin: of the heading, [B, 1, 1].
        eye: x and y of the camera, [B, 2].
    """

    right: Tensor
    below: Tensor
    ahead: Tensor
    up: Tensor
    cos: Tensor
    sin: Tensor
    eye: Tensor


class Hits(NamedTuple):
    """What rays meet first, [B, H, W] each.

    Attributes:
        kind: int64, the kind of surface.
        distance: float32, in units of the ray whose part along the camera's axis is 1; infinite for the sky.
        column: int64, the grid column of the wall or the floor.
        row: int64, its row.
    """

    kind: Tensor
    distance: Tensor
    column: Tensor
    row: Tensor


def camera_rays(scene: Scene, image_size: int) -> Rays:
    """Return the rays of the cameras of B agents."""
    slopes = pixel_slopes(image_size, scene.position.device)
    below = slopes.reshape(1, -1, 1)
    cos, sin = scene.heading.cos(), scene.heading.sin()
    return Rays(
        slopes.reshape(1, 1, -1),
        below,
        COS_PITCH - below * SIN_PITCH,
        -SIN_PITCH - below * COS_PITCH,
        cos.reshape(-1, 1, 1),
        sin.reshape(-1, 1, 1),
        scene.position + CAMERA_AHEAD * torch.stack((cos, sin), dim=-1),
    )


def trace(scene: Scene, rays: Rays, wall_height: float, target_height: float) -> Hits:
    """Find what every ray meets first.

    Args:
        scene: B mazes.
        rays: of their cameras.
        wall_height: in cells.
        target_height: of the targets' centres, in cells.

    Returns:
        The hits, [B, H, W].
    """
    return _targets(scene, rays, target_height, _floors(rays, _walls(scene, rays, wall_height)))


def _walls(scene: Scene, rays: Rays, wall_height: float) -> Hits:
    """Follow the rays to the first wall that reaches up to them, or out of the grid, where the sky begins."""
    size = scene.walls.shape[-1]
    maze = torch.arange(len(scene.walls), device=scene.walls.device).reshape(-1, 1, 1)
    eye_x, eye_y = rays.eye[:, 0].reshape(-1, 1, 1), rays.eye[:, 1].reshape(-1, 1, 1)
    speed_x = _inclined(rays.ahead * rays.cos + rays.right * rays.sin)
    speed_y = _inclined(rays.ahead * rays.sin - rays.right * rays.cos)
    column = (eye_x.floor().long() + 1).expand(speed_x.shape)
    row = (eye_y.floor().long() + 1).expand(speed_y.shape)
    # The distances at which the next lines across x and y are met, and those between two lines.
    next_x = (column - 1 + (speed_x > 0) - eye_x) / speed_x
    next_y = (row - 1 + (speed_y > 0) - eye_y) / speed_y
    between_x, between_y = (1.0 / speed_x).abs(), (1.0 / speed_y).abs()
    step_x, step_y = torch.where(speed_x > 0, 1, -1), torch.where(speed_y > 0, 1, -1)

    done = torch.zeros_like(speed_x, dtype=torch.bool)
    distance, kind = torch.zeros_like(speed_x), torch.full_like(column, SKY)
    hit_column, hit_row = torch.zeros_like(column), torch.zeros_like(row)
    for _ in range(2 * size):
        across_x = next_x < next_y
        enters = torch.where(across_x, next_x, next_y)
        column, row = torch.where(across_x, column + step_x, column), torch.where(across_x, row, row + step_y)
        next_x = torch.where(across_x, next_x + between_x, next_x)
        next_y = torch.where(across_x, next_y, next_y + between_y)
        inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
        wall = inside & scene.walls[maze, row.clamp(0, size - 1), column.clamp(0, size - 1)]
        height_in = CAMERA_HEIGHT + enters * rays.up
        height_out = CAMERA_HEIGHT + torch.minimum(next_x, next_y) * rays.up
        side = height_in <= wall_height
        hit = wall & (side | (height_out <= wall_height))
        face = torch.where(side, torch.where(across_x, X_FACE, Y_FACE), TOP)
        where = torch.where(side, enters, (wall_height - CAMERA_HEIGHT) / rays.up)
        ends = ~done & (hit | ~inside)
        kind = torch.where(ends & hit, face, kind)
        distance = torch.where(ends, torch.where(hit, where, enters), distance)
        hit_column, hit_row = torch.where(ends, column, hit_column), torch.where(ends, row, hit_row)
        done = done | ends
    return Hits(kind, distance, hit_column, hit_row)


def _floors(rays: Rays, hits: Hits) -> Hits:
    """Put the floor before what lies behind it; nothing is left at a finite distance in the sky."""
    floor = torch.where(rays.up < 0, -CAMERA_HEIGHT / rays.up, torch.inf).expand(hits.distance.shape)
    x, y = points(rays, floor)
    nearer = floor < hits.distance
    infinite = torch.where(hits.kind == SKY, torch.inf, hits.distance)
    return Hits(
        torch.where(nearer, FLOOR, hits.kind),
        torch.where(nearer, floor, infinite),
        torch.where(nearer, torch.where(nearer, x, 0.0).floor().long() + 1, hits.column),
        torch.where(nearer, torch.where(nearer, y, 0.0).floor().long() + 1, hits.row),
    )


def _targets(scene: Scene, rays: Rays, target_height: float, hits: Hits) -> Hits:
    """Put the targets' front sides before what lies behind them."""
    square = 1.0 + rays.right.square() + rays.below.square()
    kind, distance = hits.kind, hits.distance
    for index in range(scene.target_positions.shape[1]):
        axis, right, above = target_offset(scene, rays, index, target_height)
        along = axis + rays.right * right - rays.below * above
        apart = axis.square() + right.square() + above.square() - TARGET_RADIUS**2
        root = along.square() - square * apart
        front = -(along + root.clamp(min=0.0).sqrt()) / square
        nearer = (root > 0) & (front > 0) & (front < distance)
        kind = torch.where(nearer, TARGET + index, kind)
        distance = torch.where(nearer, front, distance)
    return Hits(kind, distance, hits.column, hits.row)


def target_offset(
    scene: Scene, rays: Rays, index: int, target_height: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the camera's place seen from a target, along the camera's axis, right and above, [B, 1, 1] each."""
    away = (rays.eye - scene.target_positions[:, index]).reshape(-1, 2, 1, 1)
    ahead = away[:, 0] * rays.cos + away[:, 1] * rays.sin
    right = away[:, 0] * rays.sin - away[:, 1] * rays.cos
    height = CAMERA_HEIGHT - target_height
    return (
        ahead * COS_PITCH - height * SIN_PITCH,
        right,
        ahead * SIN_PITCH + height * COS_PITCH,
    )


def points(rays: Rays, distance: Tensor) -> tuple[Tensor, Tensor]:
    """Return x and y of the points at a distance along the rays, [B, H, W] each."""
    x = rays.eye[:, 0].reshape(-1, 1, 1) + distance * (rays.ahead * rays.cos + rays.right * rays.sin)
    y = rays.eye[:, 1].reshape(-1, 1, 1) + distance * (rays.ahead * rays.sin - rays.right * rays.cos)
    return x, y


def _inclined(speed: Tensor) -> Tensor:
    """Keep speeds away from zero, which divides."""
    return torch.where(speed.abs() < SMALLEST_SLOPE, SMALLEST_SLOPE, speed)
