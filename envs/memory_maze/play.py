"""Walk through a Memory Maze yourself: `python -m engram.envs.memory_maze.play --size 9x9`, with the arrow keys."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

import torch

from engram.common.say import say
from engram.envs.memory_maze.maze import MemoryMaze
from engram.envs.memory_maze.sizes import SIZES

_WINDOW = 512
_ACTIONS_PER_SECOND = 4
_ACTIONS = {(False, 0): 0, (True, 0): 1, (False, 1): 2, (False, -1): 3, (True, 1): 4, (True, -1): 5}


def action_of(forward: bool, left: bool, right: bool) -> int:
    """Return the action of the keys that are held: opposite turns cancel, nothing is noop."""
    return _ACTIONS[forward, left - right]


def load_pygame() -> ModuleType:
    """Import pygame and open its display.

    Raises:
        ValueError: pygame is not installed, or there is no display.
    """
    try:
        import pygame
    except ModuleNotFoundError as error:
        raise ValueError(
            'Playing needs pygame, which is not installed: pip install -e ".[video]".'
        ) from error
    try:
        pygame.display.init()
    except pygame.error as error:
        raise ValueError(
            f"Playing needs a display, but there is none ({error}): play on a desktop."
        ) from error
    return pygame


def play(size: str, seed: int, show_map: bool = False, max_actions: int | None = None) -> float:
    """Open a window and play until it is closed, Escape is pressed or the actions are used up.

    Args:
        size: a key of `SIZES`.
        seed: of the episodes.
        show_map: whether the maze from above is beside the view.
        max_actions: how many; None for no end.

    Returns:
        The sum of the rewards.

    Raises:
        ValueError: pygame or a display is missing.
    """
    pygame = load_pygame()
    env = MemoryMaze(1, size, image_size=_WINDOW // 2)
    row, score, actions = env.reset(seed), 0.0, 0
    window, clock, is_open = None, pygame.time.Clock(), True
    while is_open and (max_actions is None or actions < max_actions):
        picture = env.render(0) if show_map else row["obs"][0].numpy()
        shape = picture.shape[1] * 2, picture.shape[0] * 2
        window = window or pygame.display.set_mode(shape)
        surface = pygame.surfarray.make_surface(picture.swapaxes(0, 1))
        window.blit(pygame.transform.scale(surface, shape), (0, 0))
        left = env.size.episode_length - int(env.state["time"]) if env.state is not None else 0
        pygame.display.set_caption(f"Memory Maze {size}: {score:.0f} targets, {left} actions left")
        pygame.display.flip()
        clock.tick(_ACTIONS_PER_SECOND)
        for event in pygame.event.get():
            escaped = event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE
            is_open &= event.type != pygame.QUIT and not escaped
        held = pygame.key.get_pressed()
        action = action_of(*(bool(held[key]) for key in (pygame.K_UP, pygame.K_LEFT, pygame.K_RIGHT)))
        row = env.step(torch.tensor([action]))
        score, actions = score + float(row["reward"]), actions + 1
    pygame.quit()
    return score


def main(arguments: Sequence[str] | None = None) -> int:
    """Play with the command line's options; one sentence and 2 if that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m engram.envs.memory_maze.play", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="9x9")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--map", action="store_true", help="show the maze from above, too")
    options = parser.parse_args(arguments)
    try:
        score = play(options.size, options.seed, options.map)
    except ValueError as error:
        say(error, file=sys.stderr)
        return 2
    say(f"{score:.0f} targets")
    return 0


if __name__ == "__main__":
    sys.exit(main())
