"""Layouts have the distribution of labmaze's: the statistics of 3,000 of its mazes within 3 standard errors."""

import math

import pytest
import torch

from engram.envs.memory_maze.episodes import begin_episodes
from engram.envs.memory_maze.layouts import Layouts, make_layouts
from engram.envs.memory_maze.motion.body import X, Z
from engram.envs.memory_maze.sizes import SIZES

# Of 3,000 mazes of labmaze 1.0.6: shares of the numbers of rooms (after drawing again), share of 3x3 rooms; mean and
# deviation over mazes of the open share, the corridors' share of it and the loops; over 800 mazes, of paths in cells.
MEASURED = {
    "9x9": (
        {3: 0.285 / 0.987, 4: 0.702 / 0.987},
        0.65,
        (0.734, 0.049),
        (0.307, 0.079),
        (3.5, 1.1),
        (7.97, 3.00),
        (6.49, 3.73),
    ),
    "11x11": (
        {4: 0.22, 5: 0.36, 6: 0.42},
        0.63,
        (0.716, 0.056),
        (0.330, 0.070),
        (6.0, 2.0),
        (9.65, 3.98),
        (8.11, 4.59),
    ),
    "13x13": (
        {5: 0.031 / 0.994, 6: 0.963 / 0.994},
        0.60,
        (0.655, 0.044),
        (0.385, 0.050),
        (7.3, 2.1),
        (11.24, 4.75),
        (9.67, 5.51),
    ),
    "15x15": ({9: 1.0}, 1.0, (0.645, 0.032), (0.441, 0.029), (11.6, 2.8), (12.80, 5.63), (11.72, 6.39)),
}
SIZES_TESTED = [pytest.param(name, marks=[] if name == "9x9" else pytest.mark.slow) for name in MEASURED]
COUNT = 6000


def within(value: float, mean: float, deviation: float, rounding: float, samples: float = 3000) -> bool:
    """Whether two means, one of `samples` and one of twice as many, differ by 3 standard errors at most."""
    return abs(value - mean) <= 3 * deviation * math.sqrt(1.5 / samples) + rounding


def neighbours(open_cells: torch.Tensor) -> torch.Tensor:
    """Open cells around each cell, [P, N, N]."""
    padded = torch.nn.functional.pad(open_cells.int(), (1, 1, 1, 1))
    return padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]


def distances(open_cells: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """Steps [P, N, N] from the cells [P, 2] (x, y) to every open cell; -1 where there is no way."""
    reached = torch.zeros_like(open_cells)
    reached[torch.arange(len(start)), start[:, 1], start[:, 0]] = True
    steps = torch.where(reached, 0, -1)
    for number in range(1, open_cells[0].numel()):
        following = (neighbours(reached) > 0) & open_cells & (steps < 0)
        if not following.any():
            break
        steps[following] = number
        reached = following
    return steps


@pytest.mark.parametrize("name", SIZES_TESTED)
def test_statistics_are_labmazes(name: str) -> None:
    shares, square, open_share, corridor_share, loops, _, _ = MEASURED[name]
    layouts = make_layouts(SIZES[name], COUNT, seed=1)
    free = ~layouts.walls
    inner = SIZES[name].cells ** 2
    assert set(layouts.num_rooms.tolist()) == set(shares)
    for number, share in shares.items():
        found = (layouts.num_rooms == number).float().mean().item()
        assert within(found, share, math.sqrt(share * (1 - share)), 0.006)
    exists = torch.arange(layouts.corners.shape[1]) < layouts.num_rooms[:, None]
    sides = layouts.sides[exists]
    assert {tuple(side) for side in sides.tolist()} <= {(3, 3), (3, 5), (5, 3)}
    assert within((sides.sum(1) == 6).float().mean().item(), square, 0.5, 0.006)
    cells = free.sum((1, 2)).float()
    assert within((cells / inner).mean().item(), *open_share, 0.0005)
    corridors = 1 - layouts.is_room.sum((1, 2)) / cells
    assert within(corridors.mean().item(), *corridor_share, 0.0005)
    edges = (free[:, 1:] & free[:, :-1]).sum((1, 2)) + (free[:, :, 1:] & free[:, :, :-1]).sum((1, 2))
    squares = (free[:, 1:, 1:] & free[:, 1:, :-1] & free[:, :-1, 1:] & free[:, :-1, :-1]).sum((1, 2))
    assert within((edges - cells + 1 - squares).mean().item(), *loops, 0.05)


def begin(name: str, count: int) -> tuple[Layouts, dict[str, torch.Tensor]]:
    layouts, index = make_layouts(SIZES[name], COUNT, seed=1), torch.arange(count)
    zeros = torch.zeros_like(index)
    return layouts, begin_episodes(SIZES[name], layouts, False, zeros, index, zeros)


@pytest.mark.parametrize("name", SIZES_TESTED)
def test_paths_are_labmazes(name: str) -> None:
    between, away = MEASURED[name][5:]
    layouts, task = begin(name, 1600)
    free = ~layouts.walls[task["layout"]]
    targets = (task["target_positions"] + 1).long()
    spawn = (task["body"][:, X:Z] / 2 + 1).long()
    to_spawn = distances(free, spawn)
    index = torch.arange(1600)[:, None]
    spawn_paths = to_spawn[index, targets[..., 1], targets[..., 0]]
    assert (spawn_paths >= 0).all() and (to_spawn[free] >= 0).all(), "every open cell can be reached"
    assert (spawn_paths > 0).all(), "nobody begins on a target"
    first = distances(free, targets[:, 0])[index, targets[:, 1:, 1], targets[:, 1:, 0]]
    # Paths of one maze are alike, so that they count as one sample.
    assert within(first.float().mean().item(), *between, 0.005, samples=800)
    assert within(spawn_paths.float().mean().item(), *away, 0.005, samples=800)


@pytest.mark.parametrize("name", SIZES)
def test_layouts_keep_the_rules(name: str) -> None:
    size = SIZES[name]
    layouts = make_layouts(size, COUNT, seed=1)
    free = ~layouts.walls
    outer = torch.ones(size.grid, size.grid, dtype=torch.bool)
    outer[1:-1, 1:-1] = False
    assert layouts.walls[:, outer].all() and (layouts.num_rooms >= size.min_rooms).all()
    assert (neighbours(free)[free] >= 2).all(), "no dead ends"
    assert not (layouts.is_room & layouts.walls).any()
    exists = torch.arange(size.max_rooms) < layouts.num_rooms[:, None]
    area = (layouts.sides.prod(2) * exists).sum(1)
    assert torch.equal(area, layouts.is_room.sum((1, 2))), "rooms do not overlap"


def test_a_layout_depends_on_its_seed_and_number_alone() -> None:
    many, few = make_layouts(SIZES["9x9"], 500, seed=3), make_layouts(SIZES["9x9"], 20, seed=3)
    assert torch.equal(many.walls[:20], few.walls) and torch.equal(many.corners[:20], few.corners)
    other = make_layouts(SIZES["9x9"], 20, seed=4)
    assert not (other.walls == few.walls).flatten(1).all(1).any()
    # The first layout of seed 0, which must be the same on every machine.
    rows = make_layouts(SIZES["tiny"], 1).walls[0].int().flip(0).tolist()
    assert ["".join(" #"[cell] for cell in row) for row in rows] == FIRST


FIRST = [
    "#########",
    "#   #   #",
    "#   #   #",
    "#       #",
    "#   # ###",
    "#       #",
    "### #   #",
    "###     #",
    "#########",
]


def test_episodes_draw_every_layout_texture_and_target_alike() -> None:
    layouts, task = begin("9x9", 24_000)
    counts = torch.bincount(task["layout"], minlength=COUNT).float()
    assert counts.var().item() / counts.mean().item() == pytest.approx(1.0, abs=0.1), "Poisson"
    textures = task["wall_textures"].flatten(1)
    for block in range(9):
        shares = torch.bincount(textures[:, block].long(), minlength=8) / 24_000
        assert (shares - 1 / 8).abs().max() < 0.01
    assert (torch.bincount(task["current_target"]) / 24_000 - 1 / 3).abs().max() < 0.01
    assert task["target_colors"].unique(dim=0).tolist() == [[0, 1, 2]]
    rooms = layouts.is_room[task["layout"]]
    cells = (task["target_positions"] + 1).long()
    assert rooms[torch.arange(24_000)[:, None], cells[..., 1], cells[..., 0]].all()
    heading = task["body"][:, 3] / math.tau
    assert (torch.histc(heading, 10, 0, 1) / 24_000 - 0.1).abs().max() < 0.01


def test_shuffled_colors_are_any_of_the_six() -> None:
    layouts, index = make_layouts(SIZES["9x9"], 10), torch.arange(12_000)
    zeros = torch.zeros_like(index)
    colors = begin_episodes(SIZES["9x9"], layouts, True, zeros, index, zeros)["target_colors"].long()
    assert (torch.bincount(colors.flatten()) / 36_000 - 1 / 6).abs().max() < 0.01
    assert (colors.sort(1).values.diff(dim=1) > 0).all(), "no colour twice"
