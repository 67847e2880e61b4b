"""The renderer on a CUDA device: one pixel for each lane, nothing exchanged between lanes.

A program draws `BLOCK` neighbouring pixels of one frame in one warp, whose rays go nearly the same way: they
cross as many cells, read the same rows of the maze, and leave the loop together. Everything it reads but for
the pose is small enough for the caches, and nothing is written but the frame.
"""

# mypy: disable-error-code="no-untyped-def, assignment"

import triton
import triton.language as tl

from engram.envs.memory_maze.rendering import camera, shading, textures, tracing
from engram.envs.memory_maze.sizes import WALL_TEXTURES

X_FACE, Y_FACE, TOP = (tl.constexpr(kind) for kind in (tracing.X_FACE, tracing.Y_FACE, tracing.TOP))
FLOOR, SKY, TARGET = (tl.constexpr(kind) for kind in (tracing.FLOOR, tracing.SKY, tracing.TARGET))
SMALLEST_SLOPE = tl.constexpr(tracing.SMALLEST_SLOPE)
LEAD, EYE = tl.constexpr(camera.CAMERA_AHEAD), tl.constexpr(camera.CAMERA_HEIGHT)
COS, SIN = tl.constexpr(camera.COS_PITCH), tl.constexpr(camera.SIN_PITCH)
RADIUS = tl.constexpr(shading.TARGET_RADIUS)
AMBIENT, DIFFUSE = tl.constexpr(shading.AMBIENT), tl.constexpr(shading.DIFFUSE)
LEVEL_LIGHT = tl.constexpr(int(shading.LEVEL_FACTOR * 256 + 0.5))
TEXTURE_SIZE, LEVELS = tl.constexpr(textures.TEXTURE_SIZE), tl.constexpr(textures.LEVELS)
TEXELS, FIRST_FLOOR = tl.constexpr(textures.TEXELS), tl.constexpr(len(WALL_TEXTURES))


@triton.jit
def _inclined(speed):
    """Keep speeds away from zero, which divides."""
    return tl.where(tl.abs(speed) < SMALLEST_SLOPE, SMALLEST_SLOPE, speed)


@triton.jit
def _walls(walls, eye_x, eye_y, speed_x, speed_y, up, floor, wall_height, SIZE: tl.constexpr):
    """Follow rays to the first wall, the floor or the grid's end: kind, distance, column and row."""
    speed_x, speed_y = _inclined(speed_x), _inclined(speed_y)
    zero = tl.zeros_like(up)
    column = (tl.floor(eye_x) + 1 + zero).to(tl.int32)
    row = (tl.floor(eye_y) + 1 + zero).to(tl.int32)
    east, north = (speed_x > 0).to(tl.int32), (speed_y > 0).to(tl.int32)
    between_x, between_y = 1.0 / speed_x, 1.0 / speed_y
    next_x = ((column - 1 + east).to(tl.float32) - eye_x) * between_x
    next_y = ((row - 1 + north).to(tl.float32) - eye_y) * between_y
    between_x, between_y = tl.abs(between_x), tl.abs(between_y)
    kind, distance = tl.zeros_like(column) + SKY, zero
    on = tl.zeros_like(column) + 1
    while tl.sum(on, axis=0) > 0:
        across_x = next_x < next_y
        enters = tl.minimum(next_x, next_y)
        going = on > 0
        column = tl.where(going & across_x, column + 2 * east - 1, column)
        row = tl.where(going & (next_x >= next_y), row + 2 * north - 1, row)
        next_x = tl.where(across_x, next_x + between_x, next_x)
        next_y = tl.where(across_x, next_y, next_y + between_y)
        inside = (column >= 0) & (column < SIZE) & (row >= 0) & (row < SIZE)
        wall = tl.load(walls + row * SIZE + column, mask=going & inside, other=0) != 0
        side = enters * up + EYE <= wall_height
        hit = going & wall & (side | (tl.minimum(next_x, next_y) * up + EYE <= wall_height))
        # Beyond the floor nothing is seen: the caller puts the floor before it.
        ends = going & (hit | (inside == 0) | (enters > floor))
        face = tl.where(side, tl.where(across_x, X_FACE, Y_FACE), TOP)
        kind = tl.where(hit, face, kind)
        distance = tl.where(ends, tl.where(hit & (side == 0), (wall_height - EYE) / up, enters), distance)
        on = tl.where(ends, 0, on)
    return kind, distance, column, row


@triton.jit
def _block_of(cell, SIZE: tl.constexpr):
    """Return the block, 0 to 2, of a cell counted from the left or from the top."""
    return (cell >= SIZE // 3).to(tl.int32) + (cell >= 2 * SIZE // 3).to(tl.int32)


@triton.jit
def _blend(first, second, weight):
    """Go from one pair of colours to another by 256ths, rounded."""
    return ((first * (256 - weight) + second * weight + 0x00800080) >> 8) & 0x00FF00FF


@triton.jit
def _texels(atlas, place, seen):
    """Read pixels: red and green in 16 bits each of one number, blue in another."""
    texel = tl.load(atlas + place, mask=seen, other=0)
    return (texel & 0xFFFFFFFF).to(tl.uint32), (texel >> 32).to(tl.uint32)


@triton.jit
def _sample(atlas, picture, u, v, footprint, light, seen):
    """Read pictures as `reference.sample` does, times the light in 256ths."""
    exponent = ((2.0 * footprint).to(tl.int32, bitcast=True) >> 23) - 127
    level = tl.minimum(tl.maximum(exponent >> 1, 0), LEVELS - 1)
    size = (level * 0 + TEXTURE_SIZE) >> level
    first = picture * TEXELS + (size * size * -4 + 4 * TEXTURE_SIZE * TEXTURE_SIZE) // 3
    x = tl.floor((u * size.to(tl.float32) - 0.5) * 256.0).to(tl.int32)
    y = tl.floor((v * size.to(tl.float32) - 0.5) * 256.0).to(tl.int32)
    left, right = (x >> 8) & (size - 1), ((x >> 8) + 1) & (size - 1)
    upper, lower = first + ((y >> 8) & (size - 1)) * size, first + (((y >> 8) + 1) & (size - 1)) * size
    weight_x, weight_y = (x & 255).to(tl.uint32), (y & 255).to(tl.uint32)
    pair_0, blue_0 = _texels(atlas, upper + left, seen)
    pair_1, blue_1 = _texels(atlas, upper + right, seen)
    pair_2, blue_2 = _texels(atlas, lower + left, seen)
    pair_3, blue_3 = _texels(atlas, lower + right, seen)
    upper_pair, lower_pair = _blend(pair_0, pair_1, weight_x), _blend(pair_2, pair_3, weight_x)
    upper_blue, lower_blue = _blend(blue_0, blue_1, weight_x), _blend(blue_2, blue_3, weight_x)
    light = light.to(tl.uint32)
    pair = (_blend(upper_pair, lower_pair, weight_y) * light + 0x00800080) >> 8
    blue = (_blend(upper_blue, lower_blue, weight_y) * light + 0x80) >> 8
    return pair & 0xFF, (pair >> 16) & 0xFF, blue & 0xFF


@triton.jit
def draw_frames(
    walls,
    rooms,
    wall_textures,
    position,
    heading,
    target_positions,
    target_colors,
    current_target,
    atlas,
    slopes,
    sky,
    lights,
    prompts,
    frames,
    wall_height,
    target_height,
    density,
    SIZE: tl.constexpr,
    TARGETS: tl.constexpr,
    WIDTH: tl.constexpr,
    BORDER: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Draw `BLOCK` pixels of one frame; `density` is the square of texture pixels per unit of a slope."""
    blocks: tl.constexpr = (WIDTH * WIDTH + BLOCK - 1) // BLOCK
    maze = (tl.program_id(0) // blocks).to(tl.int64)
    pixel = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    exists = pixel < WIDTH * WIDTH
    i, j = pixel // WIDTH, pixel % WIDTH
    below = tl.load(slopes + i, mask=exists, other=0.0)
    right = tl.load(slopes + j, mask=exists, other=0.0)
    angle = tl.load(heading + maze)
    cos, sin = tl.cos(angle), tl.sin(angle)
    eye_x = tl.load(position + 2 * maze) + cos * LEAD
    eye_y = tl.load(position + 2 * maze + 1) + sin * LEAD
    ahead, up = below * -SIN + COS, below * -COS - SIN
    speed_x, speed_y = ahead * cos + right * sin, ahead * sin - right * cos
    floor = tl.where(up < 0, (tl.zeros_like(up) - EYE) / up, float("inf"))

    walls += maze * SIZE * SIZE
    kind, distance, column, row = _walls(walls, eye_x, eye_y, speed_x, speed_y, up, floor, wall_height, SIZE)
    kind = tl.where(floor < distance, FLOOR, kind)
    distance = tl.where(floor < distance, floor, distance)
    empty = kind == SKY
    x, y = eye_x + distance * speed_x, eye_y + distance * speed_y
    level, across_x = kind >= TOP, kind == X_FACE
    column = tl.where(across_x, column, tl.floor(x).to(tl.int32) + 1)
    row = tl.where(kind == Y_FACE, row, tl.floor(y).to(tl.int32) + 1)
    column = tl.minimum(tl.maximum(column, 0), SIZE - 1)
    row = tl.minimum(tl.maximum(row, 0), SIZE - 1)

    normal_ahead, normal_right = tl.where(across_x, cos, sin), tl.where(across_x, sin, -cos)
    reverse = tl.where(across_x, speed_x, speed_y) <= 0
    facing = tl.where(reverse, -normal_ahead, normal_ahead)
    along = tl.where(across_x, -y, x)
    u = tl.where(level, x, tl.where(reverse, -along, along))
    v = tl.where(level, -y, 0.5 + 0.5 * wall_height - (distance * up + EYE))
    light = ((tl.maximum(facing, 0.0) * COS * DIFFUSE + AMBIENT) * 256.0 + 0.5).to(tl.int32)
    light = tl.where(level, LEVEL_LIGHT, light)
    slant = normal_ahead + right * COS * normal_right
    across = ahead * ahead + (up * normal_right) * (up * normal_right)
    longest = tl.maximum(across, (right * SIN) * (right * SIN) + slant * slant)
    longest = tl.where(level, 1.0 + (right * COS) * (right * COS), longest)
    stretch = distance / tl.where(level, up, ahead * normal_ahead + right * normal_right)

    seen = exists & (empty == 0)
    room = tl.load(rooms + maze * SIZE * SIZE + row * SIZE + column, mask=seen & (kind == FLOOR), other=0)
    block = (2 - _block_of(-row + (SIZE - 1), SIZE)) * 3 + _block_of(column, SIZE)
    wall = tl.load(wall_textures + maze * 9 + block, mask=seen & (kind != FLOOR), other=0)
    picture = tl.where(kind == FLOOR, room.to(tl.int32) + FIRST_FLOOR, wall.to(tl.int32))
    red, green, blue = _sample(atlas, picture, u, v, stretch * stretch * longest * density, light, seen)
    red, green, blue = red.to(tl.int32), green.to(tl.int32), blue.to(tl.int32)
    red = tl.where(empty, tl.load(sky + 3 * pixel, mask=exists & empty, other=0).to(tl.int32), red)
    green = tl.where(empty, tl.load(sky + 3 * pixel + 1, mask=exists & empty, other=0).to(tl.int32), green)
    blue = tl.where(empty, tl.load(sky + 3 * pixel + 2, mask=exists & empty, other=0).to(tl.int32), blue)

    distance = tl.where(empty, float("inf"), distance)
    square, above = 1.0 + right * right + below * below, -(target_height - EYE)
    for k in tl.static_range(TARGETS):
        away_x = eye_x - tl.load(target_positions + (maze * TARGETS + k) * 2)
        away_y = eye_y - tl.load(target_positions + (maze * TARGETS + k) * 2 + 1)
        toward = away_x * cos + away_y * sin
        axis, aside = toward * COS - above * SIN, away_x * sin - away_y * cos
        down = toward * SIN + above * COS
        away = axis + right * aside - below * down
        root = away * away - square * (axis * axis + aside * aside + down * down - RADIUS * RADIUS)
        front = -(away + tl.sqrt(tl.maximum(root, 0.0))) / square
        nearer = (root > 0) & (front > 0) & (front < distance)
        distance = tl.where(nearer, front, distance)
        lit = tl.minimum(tl.maximum(-(axis + front) / RADIUS, 0.0), 1.0) * DIFFUSE + AMBIENT
        color = lights + 3 * tl.load(target_colors + maze * TARGETS + k).to(tl.int32)
        red = tl.where(nearer, (tl.load(color) * lit + 0.5).to(tl.int32), red)
        green = tl.where(nearer, (tl.load(color + 1) * lit + 0.5).to(tl.int32), green)
        blue = tl.where(nearer, (tl.load(color + 2) * lit + 0.5).to(tl.int32), blue)

    edge = (i < BORDER) | (i >= WIDTH - BORDER) | (j < BORDER) | (j >= WIDTH - BORDER)
    current = tl.load(current_target + maze)
    prompt = prompts + 3 * tl.load(target_colors + maze * TARGETS + current).to(tl.int32)
    red = tl.where(edge, tl.load(prompt).to(tl.int32), red)
    green = tl.where(edge, tl.load(prompt + 1).to(tl.int32), green)
    blue = tl.where(edge, tl.load(prompt + 2).to(tl.int32), blue)
    frame = frames + maze * WIDTH * WIDTH * 3 + 3 * pixel
    tl.store(frame, red.to(tl.uint8), mask=exists)
    tl.store(frame + 1, green.to(tl.uint8), mask=exists)
    tl.store(frame + 2, blue.to(tl.uint8), mask=exists)
