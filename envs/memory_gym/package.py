"""The tasks as the package memory-gym has them, told apart where episodes end."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium


class PackageEpisodes(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Truncates episodes where the package terminates them for the time, and corrects what it says of them.

    In Mortar Mayhem an episode whose last command failed is no success, as its return says. In the endless one only a
    list that was carried out counts as such, and an episode does not begin with a picture of how the last one ended.

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
        inner: Any = self.env.unwrapped
        if _is_endless_mortar(inner):  # it would show the player where it was until it moves
            inner.rotated_agent_surface = inner.rotated_agent_rect = None
        result = self.env.reset(seed=seed, options=options or self._options)
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
        elif (terminated or truncated) and _is_endless_mortar(inner):
            info = {**info, **_lists_done(inner, terminated)}
        elif truncated and not type(inner).__name__.startswith("Endless"):  # where nothing is a success
            info = {**info, "success": 0}
        return obs, reward, terminated, truncated, info


def _is_endless_mortar(inner: Any) -> bool:
    """Whether it is the package's endless Mortar Mayhem."""
    return type(inner).__name__ == "EndlessMortarMayhemEnv"


def _lists_done(inner: Any, has_failed: bool) -> dict[str, int]:
    """What was carried out in an episode of endless Mortar Mayhem that ends here.

    With the last command of a list another one is appended, also where that command failed.
    """
    longest = len(inner._commands) - 1 - (has_failed and bool(inner._command_visualization))
    is_done = longest >= inner.reset_params["initial_command_count"]
    return {
        "commands_completed": inner._total_commands_completed,
        "max_command_sequence": longest if is_done else 0,
    }


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
