"""Pictures of boards: what is where, and that looking changes nothing."""

import numpy as np
import pytest
import torch
from contract import random_action
from popgym_board_parity import TASKS, make_native

from engram.envs.drawing import GREEN, INK, RED, WHITE, YELLOW, Mark, draw_grid
from engram.envs.popgym.concentration import draw_concentration

DRAWN = [task for task in TASKS if task[0] != "MultiarmedBandit"]


def middle(picture: np.ndarray, row: int, column: int, side: int) -> tuple[int, ...]:
    size = picture.shape[0] // side
    return tuple(int(value) for value in picture[row * size + size // 2 + 2, column * size + size // 2 + 2])


@pytest.mark.parametrize(("name", "difficulty"), DRAWN)
def test_pictures_follow_the_episode_and_change_nothing(name: str, difficulty: str) -> None:
    env = make_native(name, difficulty, 3)
    with pytest.raises(ValueError, match="call reset first"):
        env.render(0)
    env.reset(0)
    first = env.render(1)
    assert first.dtype == np.uint8 and first.ndim == 3 and first.shape[2] == 3
    assert 350 <= first.shape[0] == first.shape[1] <= 420
    assert not np.array_equal(first, env.render(2))
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        env.step(random_action(env, generator))
    before = env.state.clone()
    later = env.render(1)
    assert later.shape == first.shape and not np.array_equal(first, later)
    assert np.array_equal(later, env.render(1))
    assert all(torch.equal(value, before[key]) for key, value in env.state.items(True, True))
    with pytest.raises(ValueError, match=r"environments 0\.\.2, but index is 3"):
        env.render(3)


def test_a_mine_is_shown_where_it_was_clicked() -> None:
    env = make_native("MineSweeper", "easy", 1)
    env.reset(0)
    cell = int(env.state["task"]["mines"]).bit_length() - 1
    row = env.step(torch.tensor([[cell // 4, cell % 4]]))
    assert row["is_last"].all()
    assert middle(env.render(0), cell // 4, cell % 4, 4) == INK


def test_a_labyrinth_shows_its_start_and_goal() -> None:
    env = make_native("LabyrinthEscape", "easy", 1)
    env.reset(0)
    grid, picture = env.state["task"]["grid"][0, :121], env.render(0)
    goal = int((grid == 3).nonzero())
    assert middle(picture, goal // 11, goal % 11, 11) in (YELLOW, tuple(c * 3 // 5 for c in YELLOW))
    assert (picture == GREEN).all(2).any()


def test_concentration_shows_found_cards_and_those_in_play() -> None:
    values, up = torch.arange(52) % 2, torch.zeros(52, dtype=torch.bool)
    up[3] = True
    hidden = draw_concentration(values, up, num_values=2)
    picture = draw_concentration(values, up, in_play=[0, -1], num_values=2)
    assert hidden.shape == picture.shape == (4 * 60 + 4, 13 * 44 + 4, 3)
    assert tuple(picture[34, 3 * 44 + 24]) == RED and tuple(picture[10, 3 * 44 + 24]) == WHITE
    changed = (hidden != picture).any(2)
    assert changed[:64, :48].any() and not changed[64:].any() and not changed[:, 48:].any()
    unknown = draw_concentration(torch.full((52,), -1), up & False, num_values=2)
    assert (unknown[4:60, 4:44] == unknown[4:60, 48:88]).all()
    ranks = draw_concentration([*range(13)] * 4, [True] * 52)
    assert ranks.shape == hidden.shape
    assert not np.array_equal(ranks[:, 4:44], ranks[:, 48:88])


def test_an_unknown_mark_is_refused() -> None:
    with pytest.raises(ValueError, match=r"A mark must be one of disc, .* but it is 'star'"):
        draw_grid([[0]], [WHITE], marks=[Mark(0, 0, "star", RED)])
