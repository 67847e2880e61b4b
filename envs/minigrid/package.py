"""The tasks as the package minigrid has them, with the spaces of the native ones."""

from __future__ import annotations

from typing import Any

import gymnasium
import gymnasium.spaces as gs
import numpy as np

from engram.envs.minigrid.views import symbol_space


class SymbolsOnly(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Leaves out the mission, a sentence that never changes, and gives symbols as categories.

    Args:
        env: an environment of the package.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.observation_space = gs.Dict({"direction": gs.Discrete(4), "image": symbol_space()})

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Return `direction` and `image`, int64 [7, 7, 3]."""
        return {"direction": observation["direction"], "image": observation["image"].astype(np.int64)}


def make_symbols_only(id: str, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
    """Make one of the package's environments, in `SymbolsOnly`.

    Args:
        id: registered id, with the package's name before it.
        render_mode: passed on.
    """
    return SymbolsOnly(gymnasium.make(id, render_mode=render_mode, disable_env_checker=True))
