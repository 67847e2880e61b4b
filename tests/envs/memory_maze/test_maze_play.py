"""Playing by hand: keys become actions, and a window opens where there is a display."""

import sys

import pytest

from engram.envs.memory_maze.play import action_of, main, play


@pytest.mark.parametrize(
    "keys, action",
    [
        ((0, 0, 0), 0),
        ((1, 0, 0), 1),
        ((0, 1, 0), 2),
        ((0, 0, 1), 3),
        ((1, 1, 0), 4),
        ((1, 0, 1), 5),
        ((0, 1, 1), 0),
        ((1, 1, 1), 1),
    ],
)
def test_keys_become_actions(keys: tuple[int, int, int], action: int) -> None:
    assert action_of(*map(bool, keys)) == action


@pytest.mark.parametrize("show_map", [False, True])
def test_a_window_without_a_screen(monkeypatch, show_map: bool) -> None:
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    assert play("tiny", 0, show_map, max_actions=3) == 0.0


def test_without_pygame_there_is_one_sentence(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    assert main(["--size", "tiny"]) == 2
    assert "pygame" in capsys.readouterr().err
