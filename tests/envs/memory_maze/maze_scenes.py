"""Scenes to draw: random ones, and one whose picture can be computed by hand."""

import dataclasses

import torch

from engram.envs.memory_maze.rendering.textures import TEXELS
from engram.envs.memory_maze.scene import Scene


def random_scene(count, size, targets=3, seed=0):
    """Grids of random walls, agents at random places of free cells, targets near them."""
    generator = torch.Generator().manual_seed(seed)
    walls = torch.rand(count, size, size, generator=generator) < 0.3
    walls[:, 0], walls[:, -1], walls[:, :, 0], walls[:, :, -1] = True, True, True, True
    walls[:, size // 2, size // 2] = False
    free = (~walls).flatten(1).float()

    cells = torch.multinomial(free, 1, generator=generator)
    corner = torch.cat((cells % size, cells // size), dim=-1) - 1.0
    position = corner + 0.15 + 0.7 * torch.rand(count, 2, generator=generator)
    away = 2.4 * torch.rand(count, targets, 2, generator=generator) - 1.2
    return Scene(
        walls=walls,
        rooms=torch.rand(count, size, size, generator=generator) < 0.5,
        wall_textures=torch.randint(8, (count, 3, 3), generator=generator).to(torch.uint8),
        position=position,
        heading=6.2832 * torch.rand(count, generator=generator) - 3.1416,
        target_positions=position[:, None] + away,
        target_colors=torch.rand(count, 6, generator=generator).argsort(1)[:, :targets].byte(),
        current_target=torch.randint(targets, (count,), generator=generator),
    )


def empty_hall(eye_x, target=(100.0, 100.0), color=0):
    """A square hall 9 cells wide; the camera, and not the body, is at (eye_x, 4.5) and looks to the east."""
    walls = torch.ones(1, 11, 11, dtype=torch.bool)
    walls[:, 1:-1, 1:-1] = False
    return Scene(
        walls=walls,
        rooms=torch.zeros(1, 11, 11, dtype=torch.bool),
        wall_textures=torch.zeros(1, 3, 3, dtype=torch.uint8),
        position=torch.tensor([[eye_x - 0.075, 4.5]]),
        heading=torch.zeros(1),
        target_positions=torch.tensor([[target]]),
        target_colors=torch.tensor([[color]], dtype=torch.uint8),
        current_target=torch.zeros(1, dtype=torch.int64),
    )


def plain_textures(wall, corridor, room):
    """Pictures of one colour each."""
    textures = torch.zeros(10, TEXELS, 4, dtype=torch.int16)
    textures[:8, :, :3] = torch.tensor(wall, dtype=torch.int16)
    textures[8, :, :3] = torch.tensor(corridor, dtype=torch.int16)
    textures[9, :, :3] = torch.tensor(room, dtype=torch.int16)
    return textures


def to_device(scene, device):
    """The scene elsewhere."""
    return Scene(**{field.name: getattr(scene, field.name).to(device) for field in dataclasses.fields(scene)})


def share_that_differs(frames, expected):
    """The share of pixels that are more than two levels apart in some colour."""
    return ((frames.int() - expected.int()).abs().amax(-1) > 2).float().mean().item()
