"""The tasks as the package memory-gym has them, told apart where episodes end."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium


class PackageEpisodes(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Truncates episodes where the package terminates them for the time, and corrects what it calls a success.

    In Mortar Mayhem an episode whose last command failed is no success, as its return says.

    Args:
        env: an environment of the package.
        reset_options: what a reset is given that is given nothing.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], reset_options: dict[str, Any] | None = None) -> None:
        super().__init__(env)
        self._options = reset_options
        self._limit, self._steps = -1, 0

    def reset(  # noqa: D102
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        result = self.env.reset(seed=seed, options=options or self._options)
        inner: Any = self.env.unwrapped
        self._limit, self._steps = inner.max_episode_steps, 0
        inner.max_episode_steps = -1  # no limit, in the package's terms: it is kept here
        return result

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:  # noqa: D102
        obs, reward, terminated, truncated, info = self.env.step(action)
        self._steps += 1
        truncated = bool(truncated) or (self._steps == self._limit and not terminated)
        inner: Any = self.env.unwrapped
        if terminated and "success" in info and hasattr(inner, "num_commands"):
            is_right = inner.normalized_agent_position == inner._target_pos
            success = int(info["success"] and is_right)
            done = (inner._current_command - 1 + success) / inner.num_commands
            info = {**info, "success": success, "commands_completed": done}
        elif truncated and not type(inner).__name__.startswith("Endless"):  # where nothing is a success
            info = {**info, "success": 0}
        return obs, reward, terminated, truncated, info


def make_episodes(
    id: str, reset_options: dict[str, Any] | None = None, render_mode: str | None = None
) -> gymnasium.Env[Any, Any]:
    """Make one of the package's environments, in `PackageEpisodes`.

    Args:
        id: registered id, with the package's name before it.
        reset_options: its parameters.
        render_mode: passed on.
    """
    env = gymnasium.make(id, render_mode=render_mode, disable_env_checker=True)
    return PackageEpisodes(env, reset_options)
