"""The pictures on walls and floors, and reading between their pixels."""

import importlib.util

import pytest
import torch

from engram.envs.memory_maze.rendering import load_textures
from engram.envs.memory_maze.rendering.reference import sample
from engram.envs.memory_maze.rendering.textures import LEVEL_STARTS, LEVELS, TEXELS, TEXTURE_SIZE, mip_chain

MEANS = [
    (32, 116, 177),
    (169, 65, 103),
    (166, 197, 156),
    (85, 120, 75),
    (68, 80, 176),
    (213, 123, 104),
    (143, 32, 26),
    (196, 169, 38),
    (54, 89, 109),
    (111, 148, 170),
]
needs_labmaze = pytest.mark.skipif(importlib.util.find_spec("labmaze") is None, reason="needs labmaze")


@pytest.mark.parametrize("procedural", [True, pytest.param(False, marks=needs_labmaze)])
def test_pictures_have_the_measured_colours(procedural):
    textures = load_textures(procedural=procedural)
    assert textures.shape == (10, 87_381, 4) and textures.dtype == torch.int16
    assert (textures[:, -1, :3] - torch.tensor(MEANS)).abs().max() <= 1
    finest = textures[:, : TEXTURE_SIZE**2, :3].float()
    assert (finest.mean(1) - torch.tensor(MEANS)).abs().max() < 1.5
    deviation = finest.std(1).amax(1)
    assert (deviation[:8] > 18).all() and (deviation[:8] < 55).all() and (deviation[8:] < 12).all()


def test_procedural_pictures_are_the_same_each_time():
    assert torch.equal(load_textures(procedural=True), load_textures(procedural=True))


def test_levels_are_averages():
    images = torch.zeros(1, TEXTURE_SIZE, TEXTURE_SIZE, 3)
    images[0, :2, :2, 0] = torch.tensor([[10.0, 20.0], [30.0, 44.0]])
    chain = mip_chain(images)
    assert LEVEL_STARTS[:3] == (0, 65_536, 81_920) and LEVEL_STARTS[-1] + 1 == TEXELS and LEVELS == 9
    assert chain[0, [0, 1, 256, 257], 0].tolist() == [10, 20, 30, 44]
    assert chain[0, 65_536, 0] == 26 and chain[0, 65_537, 0] == 0
    assert chain[0, 81_920, 0] == 6  # 26 / 4, rounded to even


def test_points_between_pixels_are_blended_and_pictures_repeat():
    images = torch.zeros(1, TEXTURE_SIZE, TEXTURE_SIZE, 3)
    images[0, 0, 0, 0], images[0, 0, 1, 0], images[0, 0, -1, 0] = 100.0, 200.0, 40.0
    chain, pixel = mip_chain(images), 1.0 / TEXTURE_SIZE

    def red(u, v, footprint=1e-4):
        points = torch.tensor([[u, v, footprint]]).T
        return int(sample(chain, torch.zeros(1, dtype=torch.int64), *points)[0, 0])

    assert red(0.5 * pixel, 0.5 * pixel) == 100
    assert red(1.0 * pixel, 0.5 * pixel) == 150
    assert red(0.0, 0.5 * pixel) == 70  # half of the pixel at the other end
    assert red(3.0 + 0.5 * pixel, -2.0 + 0.5 * pixel) == 100
    assert red(0.5 * pixel, 1.0 * pixel) == 50


def test_the_level_is_that_of_the_nearest_size():
    chain = torch.zeros(1, TEXELS, 4, dtype=torch.int16)
    for level, start in enumerate(LEVEL_STARTS):
        chain[:, start:] = level
    footprint = torch.tensor([0.01, 1.0, 1.41, 1.42, 2.0, 2.82, 2.84, 100.0, 1e6]).square()
    points = torch.full_like(footprint, 0.3)
    levels = sample(chain, torch.zeros(9, dtype=torch.int64), points, points, footprint)[:, 0]
    assert levels.tolist() == [0, 0, 0, 1, 1, 1, 2, 7, 8]


def test_pictures_that_are_not_installed_are_asked_for(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="install labmaze"):
        load_textures(procedural=False)
