"""Drawing natives for clients of Gymnasium: which can, in which modes, and the frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import logger

from engram.common.errors import unknown_option
from engram.common.vector_env import VectorEnv

RENDER_FPS = 4
"""Frames a second of a video: an action in a maze takes 0.25 s, and a board can be read at this pace."""
RENDER_METADATA: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": RENDER_FPS}
"""What environments that draw tell Gymnasium."""


def draws(env: VectorEnv | type[VectorEnv]) -> bool:
    """Whether an environment, or every one of a class, draws pictures."""
    kind = env if isinstance(env, type) else type(env)
    return kind.render is not VectorEnv.render


def render_metadata(env: VectorEnv) -> dict[str, Any]:
    """Return Gymnasium's `metadata` about drawing; it is the caller's own, wrappers add modes to it."""
    modes = list(RENDER_METADATA["render_modes"]) if draws(env) else []
    return {**RENDER_METADATA, "render_modes": modes}


def check_render_mode(env: VectorEnv, render_mode: str | None) -> str | None:
    """Return a render mode that the environment has.

    Raises:
        UnknownOptionError: nothing is drawn, so that there is no such option.
        ValueError: it is neither None nor `rgb_array`.
    """
    if render_mode is None or (render_mode == "rgb_array" and draws(env)):
        return render_mode
    if not draws(env):
        raise unknown_option(
            f"render_mode must be None where nothing is drawn, and {env.name} has no pictures, but it is "
            f"{render_mode!r}: leave it out; boards and mazes draw.",
            "render_mode",
        )
    raise ValueError(
        f"render_mode of {env.name} must be None or 'rgb_array', but it is {render_mode!r}: choose one of these; "
        "gymnasium.make also makes 'human' and 'rgb_array_list' of it."
    )


def render_frames(env: VectorEnv, render_mode: str | None) -> tuple[np.ndarray, ...] | None:
    """Draw every environment as it is now.

    Args:
        env: after its reset.
        render_mode: as checked by `check_render_mode`.

    Returns:
        A picture of each, uint8 [height, width, 3]; without a render mode None, and Gymnasium's warning.
    """
    if render_mode is None:
        logger.warn(
            f"render() of {env.name} draws nothing without a render mode; "
            + ("pass render_mode='rgb_array' when making it." if draws(env) else "it has no pictures.")
        )
        return None
    return tuple(env.render(index) for index in range(env.num_envs))
