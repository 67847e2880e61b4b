"""Frames of Memory Maze: by hand, and the compiled loops against the plain reference."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from maze_scenes import empty_hall, plain_textures, random_scene, share_that_differs
from torch.fx.experimental.proxy_tensor import make_fx

from engram.envs.memory_maze.rendering import cpu, load_textures, render, render_frames, segment
from engram.envs.memory_maze.rendering.camera import COS_PITCH, SIN_PITCH, focal_length, sky_picture
from engram.envs.memory_maze.rendering.reference import (
    FLOOR_CLASS,
    SKY_CLASS,
    TARGET_CLASS,
    WALL_CLASS,
    block_of,
)
from engram.envs.memory_maze.rendering.shading import LEVEL_FACTOR
from engram.envs.memory_maze.scene import Scene

WALL, CORRIDOR, ROOM = (200, 100, 50), (54, 89, 109), (111, 148, 170)
PLAIN = plain_textures(WALL, CORRIDOR, ROOM)
STANDARD, LOW = {}, {"wall_height": 0.4, "target_height": 1.1}
DRAWERS = [render, render_frames]


@pytest.fixture(scope="module")
def textures():
    return load_textures(procedural=True)


def test_the_camera():
    assert focal_length(64) == pytest.approx(38.136, abs=1e-3)
    assert math.degrees(math.atan2(SIN_PITCH, COS_PITCH)) == pytest.approx(5.7106, abs=1e-4)


def test_rows_of_a_wall_two_cells_ahead():
    # (height - 0.45) (cos - b sin) = 2 (-sin - b cos): b = -0.2538 at 0.75 cells, row 22.3; b = 0.1223 at 0, row 36.7.
    column = segment(empty_hall(7.0))[0, :, 32]
    assert (column[:22] == SKY_CLASS).all()
    assert (column[22:37] == WALL_CLASS).all()
    assert (column[37:] == FLOOR_CLASS).all()


def test_rows_of_a_low_wall_one_cell_ahead():
    # As above with 0.2 at 1 and 2 cells: its top from b = 0.0247, row 32.9, its side from b = 0.1463, row 37.6,
    # the floor from b = 0.3349, row 44.8.
    column = segment(empty_hall(8.0), **LOW)[0, :, 32]
    assert (column[:33] == SKY_CLASS).all()
    assert (column[33:45] == WALL_CLASS).all()
    assert (column[45:] == FLOOR_CLASS).all()
    colors = render(empty_hall(8.0), PLAIN, **LOW)[0, :, 32]
    assert colors[35].tolist() == [(value * 92 + 128) >> 8 for value in WALL]
    assert colors[40].tolist() == [(value * 230 + 128) >> 8 for value in WALL]


@pytest.mark.parametrize("draw", DRAWERS)
def test_light_on_floors_and_walls(draw):
    assert pytest.approx(0.36, abs=5e-4) == LEVEL_FACTOR
    scene = empty_hall(7.0)
    frame = draw(scene, PLAIN)[0]
    # 0.36 is 92 of 256; a wall straight ahead has 0.3 + 0.6 cos(5.71°) = 0.897, which is 230.
    assert frame[50, 32].tolist() == [(value * 92 + 128) >> 8 for value in CORRIDOR]
    assert frame[30, 32].tolist() == [(value * 230 + 128) >> 8 for value in WALL]
    # The wall in the north runs along the heading: only the ambient light, 77 of 256.
    assert segment(scene)[0, 30, 2] == WALL_CLASS
    sideways = dataclasses.replace(scene, position=torch.tensor([[1.0, 8.5]]))
    assert draw(sideways, PLAIN)[0, 30, 4].tolist() == [(value * 77 + 128) >> 8 for value in WALL]
    rooms = dataclasses.replace(scene, rooms=~scene.rooms)
    assert draw(rooms, PLAIN)[0, 50, 32].tolist() == [(value * 92 + 128) >> 8 for value in ROOM]


@pytest.mark.parametrize("draw", DRAWERS)
def test_a_target_on_the_cameras_axis(draw):
    # Its centre is 1 cell away: a disc of slope 0.3 / sqrt(1 - 0.3²), 11.99 pixels, and full light in the middle.
    height = 2 * (0.45 - SIN_PITCH)
    scene = empty_hall(4.0, target=(4.0 + COS_PITCH, 4.5))
    pixels = np.arange(64) - 31.5
    disc = torch.from_numpy(np.hypot(pixels[:, None], pixels[None, :]) < 38.136 * 0.31449)
    assert torch.equal(segment(scene, target_height=height)[0] == TARGET_CLASS, disc)
    frame = draw(scene, PLAIN, target_height=height)[0]
    middle = [int(255 * part / 220 * 0.9 + 0.5) for part in (170, 38, 30)]
    assert (frame[31:33, 31:33].int() - torch.tensor(middle)).abs().max() <= 1
    # 11.5 pixels to the left and half one up, slope² 0.0911: the sphere is met at 0.8393 of the way to its centre's
    # depth, where the normal's part along the axis is 0.1607 / 0.3, and the light 0.3 + 0.6 * 0.5357 = 0.621.
    rim = [255 * part / 220 * 0.6214 for part in (170, 38, 30)]
    assert (frame[31, 20].float() - torch.tensor(rim)).abs().max() < 1.5


def test_from_inside_a_target_it_is_not_seen():
    scene = empty_hall(4.0, target=(4.1, 4.5))
    assert not (segment(scene, target_height=0.9) >= TARGET_CLASS).any()
    assert (
        share_that_differs(render_frames(scene, PLAIN, target_height=0.9), render(empty_hall(4.0), PLAIN))
        == 0
    )


@pytest.mark.parametrize("draw", DRAWERS)
def test_the_border_has_the_colour_of_the_current_target(draw):
    literal = [(137, 30, 24), (80, 137, 71), (31, 113, 176), (75, 85, 161), (178, 156, 47), (178, 103, 86)]
    for color, expected in enumerate(literal):
        for image_size, width in ((64, 2), (256, 4), (63, 1), (32, 1), (16, 1)):
            frame = draw(empty_hall(5.0, color=color), PLAIN, image_size)[0]
            inside = torch.zeros(image_size, image_size, dtype=torch.bool)
            inside[width : image_size - width, width : image_size - width] = True
            assert ((frame == torch.tensor(expected, dtype=torch.uint8)).all(-1) == ~inside).all()


def test_the_sky_fades_as_measured():
    measured = [(76, 114, 153), (73, 110, 146), (69, 104, 139), (65, 97, 130), (60, 90, 119), (55, 83, 110)]
    rows = sky_picture(64, torch.device("cpu"))[[0, 5, 10, 15, 20, 24], 32].int()
    assert (rows - torch.tensor(measured)).abs().max() <= 1


def test_blocks_are_counted_from_the_left_and_from_the_top():
    cell = torch.arange(11)
    assert block_of(cell, 11).tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert block_of(cell, 11, True).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("heights", [STANDARD, LOW], ids=["standard", "low"])
@pytest.mark.parametrize(
    ("size", "targets", "image_size"), [(9, 2, 64), (11, 3, 64), (17, 6, 64), (17, 6, 36)]
)
def test_compiled_loops_draw_what_the_reference_draws(size, targets, image_size, heights, textures):
    scene = random_scene(32, size, targets)
    expected = render(scene, textures, image_size, **heights)
    assert share_that_differs(render_frames(scene, textures, image_size, **heights), expected) < 1e-4
    # Frames are no constant.
    assert expected.float().std((1, 2)).mean() > 10


def test_every_target_is_somewhere_to_be_seen():
    """Otherwise the test above compares none."""
    classes = segment(random_scene(32, 17, 6))
    assert set(range(TARGET_CLASS + 6)) <= set(classes.unique().tolist())


def test_any_number_of_threads_draws_the_same(textures, monkeypatch):
    scene, threads = random_scene(37, 11), torch.get_num_threads()
    monkeypatch.setattr(cpu, "FRAMES_PER_THREAD", 4)
    frames = {}
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            frames[number] = render_frames(scene, textures)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(frames[1], frames[2]) and torch.equal(frames[1], frames[3])


def test_the_reference_never_looks_at_a_value(textures):
    """Tracing refuses to turn a tensor into a Python number."""
    names = [field.name for field in dataclasses.fields(Scene)]

    def draw(*tensors):
        return render(Scene(**dict(zip(names, tensors, strict=True))), textures)

    first, second = random_scene(2, 9, seed=1), random_scene(2, 9, seed=2)
    render(first, textures)  # fills the caches of what does not depend on the scene
    traced = make_fx(draw)(*(getattr(first, name) for name in names))
    assert torch.equal(traced(*(getattr(second, name) for name in names)), render(second, textures))


def test_a_scene_that_does_not_fit_is_refused(textures):
    scene = random_scene(2, 9)
    wrong = {
        "heading": scene.heading.double(),
        "walls": scene.walls[:, :5],
        "current_target": scene.current_target[:1],
        "target_colors": scene.target_colors.long(),
    }
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=f"The scene's {name} must be torch"):
            render_frames(dataclasses.replace(scene, **{name: value}), textures)
    with pytest.raises(ValueError, match="make them with load_textures"):
        render_frames(scene, textures.byte())
