"""The options of the real Memory Maze, checked, and the spaces they lead to, without building it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import gymnasium.spaces as gs
import numpy as np

from engram.envs.memory_maze.real.variants import REAL_SIZES
from engram.envs.memory_maze.sizes import SIZES

PHYSICS_FREQUENCY = 200.0
# The border would cover smaller pictures, and MuJoCo's own buffer is no higher.
_RESOLUTIONS = (64, 480)


@dataclass(frozen=True)
class RealOptions:
    """Options of `RealMemoryMaze`, which describes them.

    Raises:
        ValueError: if one will not do.
    """

    size: str = "9x9"
    camera: bool = True
    control_freq: float = 4.0
    discrete_actions: bool = True
    image_only_obs: bool = True
    target_color_in_image: bool = True
    global_observables: bool = False
    top_camera: bool = False
    good_visibility: bool = False
    show_path: bool = False
    camera_resolution: int = 64
    randomize_colors: bool = False

    def __post_init__(self) -> None:
        if self.size not in REAL_SIZES:
            raise ValueError(
                f"The size of the real Memory Maze must be one of {', '.join(REAL_SIZES)}, but it is "
                f"{self.size!r}: "
                + ("the native one has it." if self.size in SIZES else "choose one of these.")
            )
        substeps = PHYSICS_FREQUENCY / self.control_freq if self.control_freq > 0 else 0.0
        if substeps < 1 or substeps != int(substeps):
            raise ValueError(
                f"control_freq must divide the {PHYSICS_FREQUENCY:.0f} physics steps per second into whole "
                f"ones, but it is {self.control_freq}: take 4, or 40 as the HiFreq variants do."
            )
        low, high = _RESOLUTIONS
        if not low <= self.camera_resolution <= high:
            raise ValueError(
                f"camera_resolution must be between {low} and {high} pixels, but it is "
                f"{self.camera_resolution}: set it so."
            )
        pictures = [name for name in ("image_only_obs", "show_path", "top_camera") if getattr(self, name)]
        if pictures and not self.camera:
            raise ValueError(
                f"Without a camera there is no picture, but {pictures[0]} asks for one: set it to False."
            )
        if self.image_only_obs and not self.target_color_in_image:
            raise ValueError(
                "A picture alone must show the target's colour, but target_color_in_image is False: set it to "
                "True, or image_only_obs to False."
            )
        if self.show_path and not self.global_observables:
            raise ValueError(
                "The shortest path needs the global observables, but global_observables is False: set it to True."
            )

    def observation_space(self) -> gs.Space[Any]:
        """Return the space of the observations: the picture, or a dictionary."""
        resolution, size = self.camera_resolution, SIZES[self.size]
        image = gs.Box(0, 255, (resolution, resolution, 3), np.uint8)
        if self.image_only_obs:
            return image
        spaces: dict[str, gs.Space[Any]] = {"image": image} if self.camera else {}
        spaces["target_color"] = _reals(3)
        if self.global_observables:
            for key in ("agent_pos", "agent_dir", "target_vec", "target_pos"):
                spaces[key] = _reals(2)
            for key in ("targets_vec", "targets_pos"):
                spaces[key] = _reals(size.num_targets, 2)
            # Cells of the shortest path are 2.
            spaces["maze_layout"] = gs.Box(0, 1 + self.show_path, (size.cells, size.cells), np.uint8)
        return gs.Dict(spaces)

    def action_space(self) -> gs.Space[Any]:
        """Return the space of the actions: six of them, or [drive, steer]; -1 is forward and left."""
        return gs.Discrete(6) if self.discrete_actions else gs.Box(-1.0, 1.0, (2,), np.float64)

    def task_arguments(self) -> dict[str, Any]:
        """Return the arguments of the package's `memory_maze_<size>`, without the seed."""
        return {
            "control_freq": self.control_freq,
            "discrete_actions": self.discrete_actions,
            "image_only_obs": self.image_only_obs,
            "target_color_in_image": self.target_color_in_image and self.camera,
            "global_observables": self.global_observables,
            "top_camera": self.top_camera,
            "good_visibility": self.good_visibility,
            "show_path": self.show_path,
            "camera_resolution": self.camera_resolution,
            "randomize_colors": self.randomize_colors,
        }


def _reals(*shape: int) -> gs.Box:
    return gs.Box(-math.inf, math.inf, shape, np.float64)
