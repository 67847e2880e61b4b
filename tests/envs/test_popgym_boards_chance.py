"""What the boards draw is distributed as the package's: ships, mines, arms, mazes.

Counts are compared by chi-square as a z-score, (x - df) / sqrt(2 df), and means by z-scores; all seeds are fixed.
A right program passes 5 but for once in a million. What a wrong one would have to differ by is said at each test.
"""

import itertools
import random
from collections import Counter

import numpy as np
import pytest
import torch
from popgym_board_parity import make_native, make_package
from torch import Tensor

from engram.common.random import hash_integers
from engram.envs.popgym.battleship import Battleship
from engram.envs.popgym.boards import choose, unpack
from engram.envs.popgym.labyrinth_maze import carve, carve_reference, draw_mazes

MANY = 20_000


def chi_square(counts: Tensor, expected: Tensor, df: int | None = None) -> float:
    df = len(counts) - 1 if df is None else df
    return float((((counts - expected) ** 2 / expected).sum() - df) / (2 * df) ** 0.5)


def two_samples(counts: Tensor, other: Tensor) -> float:
    """Whether two histograms come from one distribution; rare bins are joined."""
    order = (counts + other).argsort(descending=True)
    counts, other = counts[order].double(), other[order].double()
    rare = (counts + other) < 20
    counts = torch.cat([counts[~rare], counts[rare].sum(0, keepdim=True)])
    other = torch.cat([other[~rare], other[rare].sum(0, keepdim=True)])
    kept = (counts + other) > 0
    counts, other = counts[kept], other[kept]
    ratio = (other.sum() / counts.sum()).sqrt()
    stat = ((counts * ratio - other / ratio) ** 2 / (counts + other)).sum()
    df = len(counts) - 1
    return float((stat - df) / (2 * df) ** 0.5)


def z_scores(samples: Tensor, other: Tensor) -> Tensor:
    """Welch's z of the means of every column."""
    samples, other = samples.double(), other.double()
    spread = samples.var(0) / len(samples) + other.var(0) / len(other)
    return (samples.mean(0) - other.mean(0)) / spread.clamp(min=1e-12).sqrt()


def show(*values: object) -> None:
    print(*(f"{value:+.2f}" if isinstance(value, float) else value for value in values), end="; ")


def test_choose_takes_every_allowed_place_alike() -> None:
    allowed = torch.tensor([False, True, False, True, True, False]).expand(30_000, 6)
    chosen = torch.bincount(choose(allowed, hash_integers(3, torch.arange(30_000))), minlength=6)
    assert chosen[[0, 2, 5]].sum() == 0
    assert abs(chi_square(chosen[[1, 3, 4]].double(), torch.full((3,), 1e4))) < 5
    assert choose(torch.zeros(1, 6, dtype=torch.bool), torch.tensor([5])).tolist() == [6]


@pytest.mark.parametrize("size", [8, 10, 12])
def test_one_ship_lies_anywhere_alike(size: int) -> None:
    """Found would be: places 9% likelier or less likely than they should be, on average."""
    env = Battleship(MANY, board_size=size, ship_sizes=(3,))
    env.reset(1)
    ships = unpack(env.state["task"]["ships"], size**2)
    places = 2 * size * (size - 2)
    found, counts = ships.unique(dim=0, return_counts=True)
    assert len(found) == places and (found.sum(1) == 3).all()
    z = chi_square(counts.double(), torch.full((places,), MANY / places))
    show("one ship", size, z)
    assert abs(z) < 5


def test_two_ships_have_their_exact_distribution() -> None:
    """All boards of side 4 with ships 2 and 3, by enumeration; the second is uniform given the first."""

    def places(length: int) -> list[frozenset[tuple[int, int]]]:
        across = [frozenset((r, c + i) for i in range(length)) for r in range(4) for c in range(5 - length)]
        return across + [frozenset((c, r) for r, c in place) for place in across]

    exact: Counter[frozenset[tuple[int, int]]] = Counter()
    for first in places(2):
        free = [second for second in places(3) if not first & second]
        for second in free:
            exact[first | second] += 1 / len(places(2)) / len(free)
    env = Battleship(MANY, board_size=4, ship_sizes=(2, 3))
    env.reset(0)
    drawn = Counter(
        frozenset(divmod(cell, 4) for cell in board.nonzero().flatten().tolist())
        for board in unpack(env.state["task"]["ships"], 16)
    )
    assert set(drawn) <= set(exact)
    counts = torch.tensor([drawn[board] for board in exact], dtype=torch.float64)
    z = chi_square(counts, torch.tensor(list(exact.values()), dtype=torch.float64) * MANY)
    show("two ships", len(exact), "boards", z)
    assert abs(z) < 5


@pytest.mark.parametrize("difficulty", ["easy", "medium", "hard"])
def test_ships_cover_cells_as_often_as_in_the_package(difficulty: str) -> None:
    """A cell covered 0.02 more or less often (of 0.08 to 0.19) would be found."""
    package, env = make_package("Battleship", difficulty), make_native("Battleship", difficulty, MANY)
    boards = []
    package.reset(seed=0)
    for _ in range(MANY):
        board = np.zeros((package.board_size,) * 2, dtype=np.int8)
        for size in package.ship_sizes:
            board = package.place_ship(board, size)
        boards.append(board)
    env.reset(0)
    theirs = torch.from_numpy(np.stack(boards)).bool()
    ours = unpack(env.state["task"]["ships"], env.num_cells).view_as(theirs)
    assert (ours.flatten(1).sum(1) == 12).all()
    cells = z_scores(ours.flatten(1), theirs.flatten(1))
    beside = [(boards[:, 1:] & boards[:, :-1]).flatten(1).sum(1, keepdim=True) for boards in (ours, theirs)]
    touching = float(z_scores(*beside))
    show("ships", difficulty, "largest", float(cells.abs().max()), "mean square", float((cells**2).mean()))
    assert cells.abs().max() < 5 and (cells**2).mean() < 1.6 and abs(touching) < 5


@pytest.mark.parametrize("difficulty", ["easy", "medium", "hard"])
def test_mines_lie_anywhere_alike(difficulty: str) -> None:
    """Found would be: a cell mined 15% more or less often, all cells 2%, or pairs on the small board 8%."""
    env = make_native("MineSweeper", difficulty, MANY)
    env.reset(0)
    mines = unpack(env.state["task"]["mines"], env.num_cells)
    assert (mines.sum(1) == env.num_mines).all()
    counts = mines.sum(0).double()
    # Cells of one board exclude each other, which shrinks the sum by (1 - p) C / (C - 1).
    share = env.num_mines / env.num_cells
    expected = torch.full_like(counts, MANY * share)
    scaled = (counts - expected) / ((1 - share) * env.num_cells / (env.num_cells - 1)) ** 0.5 + expected
    z = chi_square(scaled, expected)
    show("mines", difficulty, z)
    assert abs(z) < 5
    if difficulty == "easy":
        pairs, counts = mines.unique(dim=0, return_counts=True)
        assert len(pairs) == len(list(itertools.combinations(range(16), 2)))
        z = chi_square(counts.double(), torch.full((120,), MANY / 120))
        show("pairs of mines", z)
        assert abs(z) < 5


def test_arms_are_uniform_and_pay_as_often_as_they_say() -> None:
    """Found would be: twentieths of [0, 1) 3% likelier or less likely, or an arm paying 0.01 more often."""
    env = make_native("MultiarmedBandit", "easy", 5000)
    env.reset(0)
    arms = env.state["task"]["bandits"]
    assert arms.min() >= 0 and arms.max() < 1
    counts = torch.bincount((arms.flatten() * 20).long(), minlength=20).double()
    z = chi_square(counts, torch.full((20,), arms.numel() / 20))
    between = torch.corrcoef(arms.T.double()).fill_diagonal_(0).abs().max() * 5000**0.5
    paid, variance, surprises = torch.zeros(10), torch.zeros(10), []
    for step in range(100):
        row = env.step(torch.full((5000,), step % 10))
        chance = arms[:, step % 10]
        paid[step % 10] += (row["obs"] - chance).sum()
        variance[step % 10] += (chance * (1 - chance)).sum()
        surprises.append((row["obs"] - chance) / (chance * (1 - chance)).clamp(min=1e-3).sqrt())
    payouts = paid / variance.sqrt()
    again = torch.stack([a * b for a, b in itertools.pairwise(surprises)])
    repeated = float(again.mean() / again.std() * again.numel() ** 0.5)
    show("arms", z, "payouts", float(payouts.abs().max()), "next pull", repeated)
    assert abs(z) < 5 and between < 5 and payouts.abs().max() < 5 and abs(repeated) < 5


def real_mazes(rooms: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    from mazelib import Maze
    from mazelib.generate.HuntAndKill import HuntAndKill

    states = random.getstate(), np.random.get_state()
    random.seed(0), np.random.seed(0)
    grids, starts, ends = [], [], []
    for _ in range(count):
        maze = Maze()
        maze.generator = HuntAndKill(rooms, rooms)
        maze.generate()
        maze.generate_entrances(start_outer=True)
        grids.append(np.asarray(maze.grid, dtype=np.uint8).ravel())
        starts.append(maze.start[0] * (2 * rooms + 1) + maze.start[1])
        ends.append(maze.end[0] * (2 * rooms + 1) + maze.end[1])
    random.setstate(states[0]), np.random.set_state(states[1])
    return torch.from_numpy(np.stack(grids)), torch.tensor(starts), torch.tensor(ends)


def distances(grids: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Steps from start to end, by flooding."""
    side = int(grids.shape[1] ** 0.5)
    free = (grids == 0).scatter(1, torch.stack([start, end], 1), True).view(-1, side, side)
    reached = torch.zeros_like(free).flatten(1).scatter(1, start.unsqueeze(1), True).view_as(free)
    found = torch.zeros_like(start)
    for _ in range(side**2):
        found += ~reached.flatten(1).gather(1, end.unsqueeze(1)).squeeze(1)
        wide = torch.nn.functional.pad(reached, (1, 1, 1, 1))
        near = wide[:, :-2, 1:-1] | wide[:, 2:, 1:-1] | wide[:, 1:-1, :-2] | wide[:, 1:-1, 2:]
        grown = reached | (near & free)
        if torch.equal(grown, reached):
            break
        reached = grown
    assert torch.equal(reached, free), "every free cell can be reached"
    return found


def room_kinds(grids: Tensor) -> Tensor:
    """How many dead ends, straight corridors, bends, forks and crossings a maze has, [N, 5]."""
    side = int(grids.shape[1] ** 0.5)
    free = (grids == 0).view(-1, side, side)
    ways = torch.stack(
        [free[:, 0:-2:2, 1::2], free[:, 2::2, 1::2], free[:, 1::2, 0:-2:2], free[:, 1::2, 2::2]]
    ).int()
    number, straight = ways.sum(0), (ways[0] & ways[1]) | (ways[2] & ways[3])
    two = number == 2
    kinds = [number == 1, two & straight.bool(), two & ~straight.bool(), number == 3, number == 4]
    return torch.stack([kind.flatten(1).sum(1) for kind in kinds], dim=1)


@pytest.mark.parametrize("rooms", [5, 7, 9])
def test_mazes_are_like_two_thousand_real_ones(rooms: int) -> None:
    """Found would be: 4% more dead ends or bends, a wall open 0.07 more often, distances 5% longer."""
    theirs, ours = real_mazes(rooms, 2000), draw_mazes(rooms, 7, torch.arange(4000))
    free = 2 * rooms**2 - 1
    assert ((ours[0] == 0).sum(1) == free).all() and ((theirs[0] == 0).sum(1) == free).all()
    kinds = z_scores(room_kinds(ours[0]), room_kinds(theirs[0]))
    length = [distances(*mazes) for mazes in (ours, theirs)]
    longest = int(max(part.max() for part in length)) + 1
    histogram = two_samples(*(torch.bincount(part // 4, minlength=longest // 4 + 1) for part in length))
    mean = float(z_scores(*(part.unsqueeze(1) for part in length)))
    walls = z_scores(ours[0] == 0, theirs[0] == 0)
    openings = [
        two_samples(*(torch.bincount(mazes[k], minlength=len(walls)) for mazes in (ours, theirs)))
        for k in (1, 2)
    ]
    show("mazes", rooms, "kinds", float(kinds.abs().max()), "histogram", histogram, "mean distance", mean)
    show("walls", float(walls.abs().max()), float((walls[walls != 0] ** 2).mean()), *openings)
    assert kinds.abs().max() < 5 and abs(histogram) < 5 and abs(mean) < 5 and walls.abs().max() < 5
    assert (walls[walls != 0] ** 2).mean() < 1.6 and max(map(abs, openings)) < 5
    # Opposite walls, and nothing outside of them.
    side = 2 * rooms + 1
    start, end = ours[1], ours[2]
    apart = torch.stack([start // side - end // side, start % side - end % side]).abs().max(0).values
    assert (apart == side - 1).all()


@pytest.mark.parametrize("rooms", [3, 5, 7, 9])
def test_the_compiled_carving_is_the_reference(rooms: int) -> None:
    draws = hash_integers(11, torch.arange(300).unsqueeze(1), torch.arange(rooms**2))
    assert torch.equal(carve(draws, rooms), carve_reference(draws, rooms))
    extreme = torch.stack([torch.zeros(rooms**2, dtype=torch.int64), torch.full((rooms**2,), 2**32 - 1)])
    assert torch.equal(carve(extreme, rooms), carve_reference(extreme, rooms))
