"""The renderer in plain torch: what the compiled kernels must draw, to the bit but for rounding."""

from __future__ import annotations

import torch
from torch import Tensor

from engram.envs.memory_maze.rendering.camera import (
    CAMERA_HEIGHT,
    COS_PITCH,
    SIN_PITCH,
    focal_length,
    sky_picture,
)
from engram.envs.memory_maze.rendering.shading import (
    AMBIENT,
    DIFFUSE,
    LEVEL_FACTOR,
    TARGET_RADIUS,
    border_width,
    prompt_colors,
    target_lights,
)
from engram.envs.memory_maze.rendering.textures import LEVELS, TEXTURE_SIZE
from engram.envs.memory_maze.rendering.tracing import (
    FLOOR,
    SKY,
    TARGET,
    TOP,
    X_FACE,
    Hits,
    Rays,
    camera_rays,
    points,
    target_offset,
    trace,
)
from engram.envs.memory_maze.scene import Scene
from engram.envs.memory_maze.sizes import CELL_METRES, WALL_TEXTURES

SKY_CLASS, FLOOR_CLASS, WALL_CLASS, TARGET_CLASS = range(4)
"""Classes of pixels; target i is TARGET_CLASS + i."""


def render(
    scene: Scene,
    textures: Tensor,
    image_size: int = 64,
    wall_height: float = 1.5,
    target_height: float = 0.0,
) -> Tensor:
    """Draw what the agents see, with the border in the colour of the current target.

    Args:
        scene: B mazes.
        textures: of `load_textures`, int16 [10, TEXELS, 4].
        image_size: pixels along a side, H = W.
        wall_height: in metres; 0.4 in the variants with good visibility.
        target_height: of the targets' centres in metres; 1.1 in these variants.

    Returns:
        uint8 [B, H, W, 3].
    """
    wall, target = wall_height / CELL_METRES, target_height / CELL_METRES
    rays = camera_rays(scene, image_size)
    hits = trace(scene, rays, wall, target)
    picture = _surfaces(scene, textures, rays, hits, wall, image_size)
    sky = sky_picture(image_size, textures.device)
    picture = torch.where((hits.kind == SKY).unsqueeze(-1), sky, picture)
    for index in range(scene.target_positions.shape[1]):
        sphere = _target_colors(scene, rays, hits, index, target)
        picture = torch.where((hits.kind == TARGET + index).unsqueeze(-1), sphere, picture)
    return _bordered(scene, picture)


def segment(
    scene: Scene, image_size: int = 64, wall_height: float = 1.5, target_height: float = 0.0
) -> Tensor:
    """Say what every pixel shows, without the border.

    Args:
        scene: B mazes.
        image_size: as in `render`.
        wall_height: as in `render`.
        target_height: as in `render`.

    Returns:
        int64 [B, H, W]: `WALL_CLASS`, `FLOOR_CLASS`, `SKY_CLASS` or `TARGET_CLASS` + i for target i.
    """
    rays = camera_rays(scene, image_size)
    kind = trace(scene, rays, wall_height / CELL_METRES, target_height / CELL_METRES).kind
    other = torch.where(
        kind == FLOOR, FLOOR_CLASS, torch.where(kind == SKY, SKY_CLASS, kind - TARGET + TARGET_CLASS)
    )
    return torch.where(kind <= TOP, WALL_CLASS, other)


def block_of(cell: Tensor, size: int, from_the_end: bool = False) -> Tensor:
    """Return the block, 0 to 2, of rows or columns of a grid.

    Edges are at floor(i * size / 3), of columns from the left and of rows from the top, where row
    `size` - 1 is: labmaze counts rows downwards.
    """
    edges = [size // 3, 2 * size // 3]
    if from_the_end:
        edges = [size - edge for edge in reversed(edges)]
    return (cell >= edges[0]).long() + (cell >= edges[1]).long()


def _surfaces(
    scene: Scene, textures: Tensor, rays: Rays, hits: Hits, wall_height: float, image_size: int
) -> Tensor:
    """Colour walls and floors; elsewhere the result means nothing. uint8 [B, H, W, 3]."""
    size = scene.walls.shape[-1]
    maze = torch.arange(len(scene.walls), device=scene.walls.device).reshape(-1, 1, 1)
    kind, row, column = hits.kind, hits.row.clamp(0, size - 1), hits.column.clamp(0, size - 1)
    level = kind >= TOP
    distance = torch.where(hits.distance.isfinite(), hits.distance, 0.0)
    x, y = points(rays, distance)
    z = CAMERA_HEIGHT + distance * rays.up
    # Pictures stand upright, seen from outside; on the level they lie with their top to the north.
    forward_x = rays.ahead * rays.cos + rays.right * rays.sin > 0
    forward_y = rays.ahead * rays.sin - rays.right * rays.cos > 0
    u = torch.where(kind == X_FACE, torch.where(forward_x, -y, y), torch.where(level | forward_y, x, -x))
    v = torch.where(level, -y, 0.5 + 0.5 * wall_height - z)
    of_wall = scene.wall_textures[maze, block_of(row, size, True), block_of(column, size)].long()
    of_floor = len(WALL_TEXTURES) + scene.rooms[maze, row, column].long()
    picture = torch.where(kind == FLOOR, of_floor, of_wall)
    # The lamp is on the camera's axis: a wall's factor has only to do with the heading.
    facing_x = torch.where(forward_x, rays.cos, -rays.cos)
    facing_y = torch.where(forward_y, rays.sin, -rays.sin)
    facing = COS_PITCH * torch.where(kind == X_FACE, facing_x, facing_y).clamp(min=0.0)
    factor = torch.where(level, LEVEL_FACTOR, AMBIENT + DIFFUSE * facing)
    texels_per_pixel = TEXTURE_SIZE / focal_length(image_size)
    texel = sample(textures, picture, u, v, _footprint(rays, kind, distance) * texels_per_pixel**2)
    return ((texel * (factor * 256.0 + 0.5).int().unsqueeze(-1) + 128) >> 8).to(torch.uint8)


def _footprint(rays: Rays, kind: Tensor, distance: Tensor) -> Tensor:
    """Return the square of the longest way on a surface from a pixel to its neighbour, in units of a slope.

    With the ray d(a, b) and a face's normal n, the derivative of the point t d at t = D / (n · d).
    """
    # The normal in the upright axes, ahead and to the right, of a wall's side.
    ahead = torch.where(kind == X_FACE, rays.cos, rays.sin)
    right = torch.where(kind == X_FACE, rays.sin, -rays.cos)
    across = rays.ahead.square() + (rays.up * right).square()
    down = (SIN_PITCH * rays.right).square() + (ahead + COS_PITCH * rays.right * right).square()
    side = torch.maximum(across, down) * (distance / (rays.ahead * ahead + rays.right * right)).square()
    flat = (1.0 + (COS_PITCH * rays.right).square()) * (distance / rays.up).square()
    return torch.where(kind >= TOP, flat, side)


def sample(textures: Tensor, picture: Tensor, u: Tensor, v: Tensor, footprint: Tensor) -> Tensor:
    """Read pictures at points: from the level whose pixels are nearest in size, between its four pixels.

    Weights have 8 bits, and so has every intermediate result.

    Args:
        textures: of `load_textures`, int16 [10, TEXELS, 4].
        picture: which of them, int64 [...].
        u: to the right, float32 [...]; a picture repeats after 1.
        v: down, float32 [...].
        footprint: square of the distance to the next pixel, in pixels of the finest level, float32 [...].

    Returns:
        int32 [..., 3] in [0, 255].
    """
    # The exponent of 2 f is the floor of log2(√f) + 1/2, times two.
    exponent = ((2.0 * footprint).to(torch.float32).contiguous().view(torch.int32) >> 23) - 127
    level = (exponent >> 1).clamp(0, LEVELS - 1)
    size = TEXTURE_SIZE >> level
    first = (4 * TEXTURE_SIZE**2 - ((4 * TEXTURE_SIZE**2) >> (2 * level))) // 3
    x = ((u * size - 0.5) * 256.0).floor().int()
    y = ((v * size - 0.5) * 256.0).floor().int()
    left, top, mask = x >> 8, y >> 8, size - 1

    def texel(down: int, right: int) -> Tensor:
        index = first + ((top + down) & mask) * size + ((left + right) & mask)
        return textures[picture, index.long()][..., :3].int()

    weight_x, weight_y = (x & 255).unsqueeze(-1), (y & 255).unsqueeze(-1)
    upper = _blend(texel(0, 0), texel(0, 1), weight_x)
    lower = _blend(texel(1, 0), texel(1, 1), weight_x)
    return _blend(upper, lower, weight_y)


def _blend(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Go from one colour to another by 256ths, rounded."""
    return (first * (256 - weight) + second * weight + 128) >> 8


def _target_colors(scene: Scene, rays: Rays, hits: Hits, index: int, target_height: float) -> Tensor:
    """Shade one target wherever it would be, uint8 [B, H, W, 3]."""
    axis = target_offset(scene, rays, index, target_height)[0]
    facing = (-(axis + hits.distance) / TARGET_RADIUS).clamp(min=0.0, max=1.0)
    factor = (AMBIENT + DIFFUSE * facing).unsqueeze(-1)
    light = target_lights(scene.position.device)[scene.target_colors[:, index].long()]
    return (light.reshape(-1, 1, 1, 3) * factor + 0.5).to(torch.uint8)


def _bordered(scene: Scene, picture: Tensor) -> Tensor:
    """Lay the border over a picture."""
    image_size = picture.shape[1]
    width = border_width(image_size)
    color = scene.target_colors.gather(1, scene.current_target.unsqueeze(1)).squeeze(1).long()
    prompt = prompt_colors(picture.device)[color].reshape(-1, 1, 1, 3)
    pixel = torch.arange(image_size, device=picture.device)
    edge = (pixel < width) | (pixel >= image_size - width)
    return torch.where((edge[:, None] | edge[None, :]).unsqueeze(-1), prompt, picture)
