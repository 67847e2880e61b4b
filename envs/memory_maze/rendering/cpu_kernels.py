"""The renderer's loops in host memory, compiled by numba when they are first called.

A pixel's ray goes in the horizontal direction (ahead, right) of its row and column, and only the ratio of the
two says which wall it meets. So the walls around a camera are found once, for the edges of narrow fans of
directions. Where both edges of a fan meet the same wall, so does every ray between them, since a cell is wider
than a fan at any distance in a maze; its pixels then cost a division. Only the pixels of the few fans with a
corner in them follow their rays through the grid, as all do where walls are lower than the camera. What is the
same for a column, a cell or a direction of the compass is computed once per frame.

Colours are packed in 64 bits, 16 for each of the three, so that one product scales them all.

All is in one file, because numba's cache notices a change only in the file of the function that it compiled:
who changes a constant of another file must save this one too.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engram.common.compiled_loops import contracted
from engram.envs.memory_maze.rendering.camera import CAMERA_AHEAD, CAMERA_HEIGHT, COS_PITCH, SIN_PITCH
from engram.envs.memory_maze.rendering.shading import AMBIENT, DIFFUSE, LEVEL_FACTOR, TARGET_RADIUS
from engram.envs.memory_maze.rendering.textures import LEVEL_STARTS, LEVELS, TEXTURE_SIZE
from engram.envs.memory_maze.rendering.tracing import FLOOR, SKY, SMALLEST_SLOPE, TOP, X_FACE, Y_FACE
from engram.envs.memory_maze.sizes import WALL_TEXTURES

Floats: TypeAlias = NDArray[np.float32]
Bytes: TypeAlias = NDArray[np.uint8]
Flags: TypeAlias = NDArray[np.bool_]
Integers: TypeAlias = NDArray[np.integer]

MIXED = -1
"""Instead of a kind of face, of a fan whose rays may meet several walls."""
# Numbers of the kernels' own precision: a product with a Python float would be computed in float64.
ZERO, HALF, ONE, BYTE = np.float32(0), np.float32(0.5), np.float32(1), np.float32(256)
FAR, SLOPE = np.float32(np.inf), np.float32(SMALLEST_SLOPE)
PIXELS, OUTSIDE = np.float32(TEXTURE_SIZE), np.float32(1.01 * TARGET_RADIUS)
LEAD, EYE, RADIUS = np.float32(CAMERA_AHEAD), np.float32(CAMERA_HEIGHT), np.float32(TARGET_RADIUS)
COS, SIN = np.float32(COS_PITCH), np.float32(SIN_PITCH)
DARK, LIGHT = np.float32(AMBIENT), np.float32(DIFFUSE)
LEVEL_LIGHT = int(LEVEL_FACTOR * 256 + 0.5)
FIRST_FLOOR = len(WALL_TEXTURES)
STARTS = np.array(LEVEL_STARTS)
LANES, ROUNDING = 0x00FF00FF00FF, 0x008000800080


@contracted
def draw_frames(
    walls: Flags,
    rooms: Flags,
    wall_textures: Bytes,
    position: Floats,
    heading: Floats,
    target_positions: Floats,
    target_colors: Bytes,
    current_target: Integers,
    atlas: Integers,
    slopes: Floats,
    fans: Integers,
    fan_edges: Floats,
    sky: Bytes,
    lights: Floats,
    prompts: Bytes,
    focal: np.float32,
    border: int,
    wall_height: np.float32,
    target_height: np.float32,
    frames: Bytes,
    begin: int,
    end: int,
) -> None:
    """Draw the frames of the mazes from `begin` to `end`."""
    width = len(slopes)
    depth = np.empty((width, width), np.float32)
    kinds = np.full(len(fan_edges) - 1, MIXED, np.int32)
    lines = np.empty(len(fan_edges) - 1, np.int32)
    camera, lights_of_faces = np.empty(4, np.float32), np.empty(4, np.int64)
    footprints = np.empty((3, width), np.float32)
    pictures = np.empty((2, *walls.shape[1:]), np.uint64)
    for i in range(begin, end):
        cos, sin = np.cos(heading[i]), np.sin(heading[i])
        camera[0], camera[1] = position[i, 0] + LEAD * cos, position[i, 1] + LEAD * sin
        camera[2], camera[3] = cos, sin
        if wall_height >= EYE:
            _find_walls(walls[i], camera, fan_edges, kinds, lines)
        _prepare(rooms[i], wall_textures[i], camera, slopes, lights_of_faces, footprints, pictures)
        _draw_maze(
            walls[i],
            camera,
            lights_of_faces,
            footprints,
            pictures,
            atlas,
            slopes,
            fans,
            kinds,
            lines,
            sky,
            focal,
            border,
            wall_height,
            depth,
            frames[i],
        )
        for k in range(target_positions.shape[1]):
            away_x, away_y = camera[0] - target_positions[i, k, 0], camera[1] - target_positions[i, k, 1]
            ahead, above = away_x * cos + away_y * sin, EYE - target_height
            axis, right = ahead * COS - above * SIN, away_x * sin - away_y * cos
            light = lights[target_colors[i, k]]
            down = ahead * SIN + above * COS
            _draw_target(axis, right, down, light, slopes, focal, border, depth, frames[i])
        _draw_border(prompts[target_colors[i, current_target[i]]], border, frames[i])


@contracted
def _march(
    walls: Flags,
    eye_x: np.float32,
    eye_y: np.float32,
    speed_x: np.float32,
    speed_y: np.float32,
    up: np.float32,
    wall_height: np.float32,
) -> tuple[int, np.float32, int, int]:
    """Follow one ray to a wall: the kind of its face, the distance, its column and its row."""
    size = walls.shape[0]
    speed_x = SLOPE if abs(speed_x) < SLOPE else speed_x
    speed_y = SLOPE if abs(speed_y) < SLOPE else speed_y
    column, row = int(np.floor(eye_x)) + 1, int(np.floor(eye_y)) + 1
    step_x, step_y = (1 if speed_x > ZERO else -1), (1 if speed_y > ZERO else -1)
    between_x, between_y = ONE / speed_x, ONE / speed_y
    next_x = (np.float32(column - 1 + (speed_x > ZERO)) - eye_x) * between_x
    next_y = (np.float32(row - 1 + (speed_y > ZERO)) - eye_y) * between_y
    between_x, between_y = abs(between_x), abs(between_y)
    while True:
        if next_x < next_y:
            kind, enters = X_FACE, next_x
            column += step_x
            next_x += between_x
        else:
            kind, enters = Y_FACE, next_y
            row += step_y
            next_y += between_y
        if column < 0 or column >= size or row < 0 or row >= size:
            return SKY, enters, column, row
        if walls[row, column]:
            if EYE + enters * up <= wall_height:
                return kind, enters, column, row
            if EYE + min(next_x, next_y) * up <= wall_height:
                return TOP, (wall_height - EYE) / up, column, row


@contracted
def _find_walls(walls: Flags, camera: Floats, fan_edges: Floats, kinds: Integers, lines: Integers) -> None:
    """Write which wall the rays of each fan meet: the kind of its face, and its column or row."""
    eye_x, eye_y, cos, sin = camera
    last_kind, last_column, last_row = SKY, 0, 0
    for k in range(len(fan_edges)):
        right = fan_edges[k]
        speed_x, speed_y = cos + right * sin, sin - right * cos
        kind, _, column, row = _march(walls, eye_x, eye_y, speed_x, speed_y, ZERO, EYE)
        if k > 0:
            kinds[k - 1], lines[k - 1] = MIXED, 0
            if kind == last_kind == X_FACE and column == last_column and abs(row - last_row) <= 1:
                kinds[k - 1], lines[k - 1] = kind, column
            if kind == last_kind == Y_FACE and row == last_row and abs(column - last_column) <= 1:
                kinds[k - 1], lines[k - 1] = kind, row
        last_kind, last_column, last_row = kind, column, row


@contracted
def _prepare(
    rooms: Flags,
    wall_textures: Bytes,
    camera: Floats,
    slopes: Floats,
    lights: Integers,
    footprints: Floats,
    pictures: Integers,
) -> None:
    """Write what the pixels of a frame share.

    The light of faces that look west, east, south and north; by column, the longest way to the pixel below on
    floors and on both kinds of faces, squared and without the distance; the picture of each cell's walls and floor.
    """
    _, _, cos, sin = camera
    for k, facing in enumerate((cos, -cos, sin, -sin)):
        lights[k] = int((DARK + LIGHT * (COS * max(facing, ZERO))) * BYTE + HALF)
    for j in range(len(slopes)):
        right = slopes[j]
        along_x, along_y = cos + COS * right * sin, sin - COS * right * cos
        footprints[0, j] = ONE + (COS * right) * (COS * right)
        footprints[1, j] = (SIN * right) * (SIN * right) + along_x * along_x
        footprints[2, j] = (SIN * right) * (SIN * right) + along_y * along_y
    size = rooms.shape[0]
    for row in range(size):
        for column in range(size):
            block = wall_textures[2 - _block_of(size - 1 - row, size), _block_of(column, size)]
            pictures[0, row, column] = block
            pictures[1, row, column] = FIRST_FLOOR + int(rooms[row, column])


@contracted
def _draw_maze(
    walls: Flags,
    camera: Floats,
    lights: Integers,
    footprints: Floats,
    pictures: Integers,
    atlas: Integers,
    slopes: Floats,
    fans: Integers,
    kinds: Integers,
    lines: Integers,
    sky: Bytes,
    focal: np.float32,
    border: int,
    wall_height: np.float32,
    depth: Floats,
    frame: Bytes,
) -> None:
    """Draw sky, walls and floors, and write how far they are."""
    eye_x, eye_y, cos, sin = camera
    size, width = walls.shape[0], len(slopes)
    density = (PIXELS / focal) * (PIXELS / focal)
    # Unsigned indices spare numba the question whether they count from the end.
    for i in range(np.uintp(border), np.uintp(width - border)):
        below = slopes[i]
        ahead, up = COS - below * SIN, -SIN - below * COS
        per_up = ONE / up
        floor = -EYE * per_up if up < ZERO else FAR
        across_x, across_y = ahead * ahead + (up * sin) * (up * sin), ahead * ahead + (up * cos) * (up * cos)
        for j in range(np.uintp(border), np.uintp(width - border)):
            right = slopes[j]
            speed_x, speed_y = ahead * cos + right * sin, ahead * sin - right * cos
            fan = np.uintp(fans[i, j])
            kind = kinds[fan]
            if kind == X_FACE:
                column, row = lines[fan], -1
                distance = (np.float32(column - (speed_x > ZERO)) - eye_x) * (ONE / speed_x)
            elif kind == Y_FACE:
                column, row = -1, lines[fan]
                distance = (np.float32(row - (speed_y > ZERO)) - eye_y) * (ONE / speed_y)
            else:
                kind, distance, column, row = _march(walls, eye_x, eye_y, speed_x, speed_y, up, wall_height)
            height = EYE + distance * up
            if floor < distance:
                kind, distance = FLOOR, floor
            if kind == SKY or (kind < TOP and height > wall_height):
                depth[i, j] = FAR
                for channel in range(3):
                    frame[i, j, channel] = sky[i, j, channel]
                continue
            depth[i, j] = distance
            x, y = eye_x + distance * speed_x, eye_y + distance * speed_y
            if kind >= TOP:
                u, v, light = x, -y, LEVEL_LIGHT
                column, row = int(np.floor(x)) + 1, int(np.floor(y)) + 1
                stretch, footprint = distance * per_up, footprints[0, j]
            else:
                v = HALF + HALF * wall_height - height
                if kind == X_FACE:
                    u, light = (-y, lights[0]) if speed_x > ZERO else (y, lights[1])
                    row = int(np.floor(y)) + 1
                    stretch, footprint = distance * (ONE / speed_x), max(across_x, footprints[1, j])
                else:
                    u, light = (x, lights[2]) if speed_y > ZERO else (-x, lights[3])
                    column = int(np.floor(x)) + 1
                    stretch, footprint = distance * (ONE / speed_y), max(across_y, footprints[2, j])
            column, row = min(max(column, 0), size - 1), min(max(row, 0), size - 1)
            picture = pictures[np.uintp(kind == FLOOR), np.uintp(row), np.uintp(column)]
            color = _sample(atlas[picture], u, v, stretch * stretch * footprint * density, light)
            frame[i, j, 0] = color & 255
            frame[i, j, 1] = (color >> 16) & 255
            frame[i, j, 2] = (color >> 32) & 255


@contracted
def _block_of(cell: int, size: int) -> int:
    """Return the block, 0 to 2, of a cell counted from the left or from the top."""
    return int(cell >= size // 3) + int(cell >= 2 * size // 3)


@contracted
def _sample(levels: Integers, u: np.float32, v: np.float32, footprint: np.float32, light: int) -> int:
    """Read a picture as `reference.sample` does, times the light in 256ths; a colour in 64 bits."""
    exponent = int(np.float32(footprint + footprint).view(np.int32) >> 23) - 127
    level = min(max(exponent >> 1, 0), LEVELS - 1)
    size = TEXTURE_SIZE >> level
    first = STARTS[np.uintp(level)]
    x = int(np.floor((u * np.float32(size) - HALF) * BYTE))
    y = int(np.floor((v * np.float32(size) - HALF) * BYTE))
    mask = size - 1
    left, right = (x >> 8) & mask, ((x >> 8) + 1) & mask
    upper, lower = first + ((y >> 8) & mask) * size, first + (((y >> 8) + 1) & mask) * size
    weight = x & 255
    above = _blend(levels[np.uintp(upper + left)], levels[np.uintp(upper + right)], weight)
    below = _blend(levels[np.uintp(lower + left)], levels[np.uintp(lower + right)], weight)
    return ((_blend(above, below, y & 255) * light + ROUNDING) >> 8) & LANES


@contracted
def _blend(first: int, second: int, weight: int) -> int:
    """Go from one colour to another by 256ths, rounded."""
    return ((first * (256 - weight) + second * weight + ROUNDING) >> 8) & LANES


@contracted
def _draw_target(
    axis: np.float32,
    right: np.float32,
    down: np.float32,
    light: Floats,
    slopes: Floats,
    focal: np.float32,
    border: int,
    depth: Floats,
    frame: Bytes,
) -> None:
    """Draw a sphere where it is nearest; the first three say where the camera is, seen from its centre."""
    if axis >= RADIUS:  # behind the camera
        return
    width = len(slopes)
    left, end = _span(-right, -axis, focal, border, width)
    top, bottom = _span(down, -axis, focal, border, width)
    apart = axis * axis + right * right + down * down - RADIUS * RADIUS
    for i in range(top, bottom):
        for j in range(left, end):
            square = ONE + slopes[j] * slopes[j] + slopes[i] * slopes[i]
            along = axis + slopes[j] * right - slopes[i] * down
            root = along * along - square * apart
            if root > ZERO:
                distance = -(along + np.sqrt(root)) / square
                if ZERO < distance < depth[i, j]:
                    depth[i, j] = distance
                    facing = min(max(-(axis + distance) / RADIUS, ZERO), ONE)
                    factor = DARK + LIGHT * facing
                    for channel in range(3):
                        frame[i, j, channel] = int(light[channel] * factor + HALF)


@contracted
def _span(
    across: np.float32, ahead: np.float32, focal: np.float32, border: int, width: int
) -> tuple[int, int]:
    """Return the pixels, from the first to beyond the last, in which a sphere can be seen at all."""
    first, end = border, width - border
    # Nearer than that it may reach beside or behind the camera, and has no outline to speak of.
    if ahead > OUTSIDE:
        middle = across * ahead
        spread = RADIUS * np.sqrt(across * across + ahead * ahead - RADIUS * RADIUS)
        scale = focal / (ahead * ahead - RADIUS * RADIUS)
        centre = HALF * np.float32(width)
        low, high = (middle - spread) * scale + centre, (middle + spread) * scale + centre
        limit = np.float32(width)
        first = max(first, int(min(max(low, ZERO), limit)) - 1)
        end = min(end, int(min(max(high, ZERO), limit)) + 2)
    return first, end


@contracted
def _draw_border(color: Bytes, border: int, frame: Bytes) -> None:
    """Fill the border."""
    width = frame.shape[0]
    for i in range(width):
        level = i < border or i >= width - border
        for j in range(width):
            if level or j < border or j >= width - border:
                for channel in range(3):
                    frame[i, j, channel] = color[channel]
