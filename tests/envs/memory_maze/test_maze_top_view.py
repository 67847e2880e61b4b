"""A maze from above: where things are drawn, and that drawing changes nothing."""

import dataclasses

import numpy as np
import torch
from maze_scenes import empty_hall, plain_textures

from engram.envs.memory_maze.rendering import draw_top_view, side_by_side

WALL, CORRIDOR, ROOM = (200, 100, 50), (54, 89, 109), (111, 148, 170)
TEXTURES = plain_textures(WALL, CORRIDOR, ROOM)


def color_at(picture, x, y):
    """The pixel at a point in cells."""
    row, column = int((10 - y) * 24), int((x + 1) * 24)
    return tuple(picture[row, column].tolist())


def test_everything_is_where_it_should_be():
    scene = empty_hall(4.575, target=(7.5, 2.5), color=1)
    scene.rooms[0, 3, 8] = True
    picture = draw_top_view(scene, TEXTURES, path=torch.tensor([[1.5, 1.5], [1.5, 6.5]]))
    assert picture.shape == (264, 264, 3) and picture.dtype == np.uint8
    assert color_at(picture, -0.5, -0.5) == WALL and color_at(picture, 9.5, 3.0) == WALL
    assert color_at(picture, 0.5, 8.5) == CORRIDOR and color_at(picture, 7.05, 2.05) == ROOM
    assert color_at(picture, 7.5, 2.5) == (115, 197, 102)
    assert color_at(picture, 7.5, 2.86) == (250, 250, 247), "the rim of the current target"
    assert color_at(picture, 4.5, 4.5) == (250, 250, 247), "the agent"
    assert sum(color_at(picture, 1.5, 4.0)) > 500 and color_at(picture, 2.0, 4.0) == CORRIDOR, "the path"


def test_the_arrow_points_along_the_heading():
    east = empty_hall(4.575)
    north = dataclasses.replace(east, heading=torch.tensor([np.pi / 2], dtype=torch.float32))
    tips = {"east": (4.85, 4.5), "north": (4.5, 4.85)}
    for name, scene in {"east": east, "north": north}.items():
        picture = draw_top_view(scene, TEXTURES)
        bright = {tip: sum(color_at(picture, *place)) > 500 for tip, place in tips.items()}
        assert bright == {tip: tip == name for tip in tips}


def test_only_the_current_target_has_a_rim():
    scene = empty_hall(4.575, target=(7.5, 2.5))
    two = dataclasses.replace(
        scene,
        target_positions=torch.tensor([[[7.5, 2.5], [1.5, 2.5]]]),
        target_colors=torch.tensor([[0, 1]], dtype=torch.uint8),
        current_target=torch.tensor([1]),
    )
    picture = draw_top_view(two, TEXTURES)
    assert color_at(picture, 7.5, 2.88) == CORRIDOR and color_at(picture, 1.5, 2.88) == (250, 250, 247)


def test_both_pictures_are_equally_tall():
    top = draw_top_view(empty_hall(5.0), TEXTURES, cell_size=20)
    view = torch.zeros(64, 64, 3, dtype=torch.uint8)
    view[0, 0], view[63, 63] = 255, 128
    both = side_by_side(view, top)
    assert both.shape == (220, 220 + 8 + 220, 3)
    assert (both[:3, :3] == 255).all() and (both[217:, 217:220] == 128).all()
    assert np.array_equal(both[:, 228:], top)
