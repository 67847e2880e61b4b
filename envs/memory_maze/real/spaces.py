"""The options of the real Memory Maze, checked, and the spaces they lead to, without building it."""

from __future__ import annotations

import math
from typing import Annotated, Any

import gymnasium.spaces as gs
import numpy as np

from engram.common.checked import require, settings
from engram.common.option_types import Fitting, Whole
from engram.envs.memory_maze.real.variants import RealSize
from engram.envs.memory_maze.sizes import SIZES

PHYSICS_FREQUENCY = 200.0


def _divides(frequency: Any) -> bool:
    is_number = isinstance(frequency, int | float) and not isinstance(frequency, bool)
    return is_number and 0 < frequency <= PHYSICS_FREQUENCY and PHYSICS_FREQUENCY % frequency == 0


_DIVISOR = Fitting(f"a divisor of {PHYSICS_FREQUENCY:g}, the physics steps per second", _divides, "4.0")


@settings("RealMemoryMaze")
class RealOptions:
    """Options of `RealMemoryMaze`, which describes them.

    Raises:
        ValueError: if one will not do.
    """

    size: RealSize = "9x9"
    camera: bool = True
    control_freq: Annotated[float, _DIVISOR] = 4.0
    discrete_actions: bool = True
    image_only_obs: bool = True
    target_color_in_image: bool = True
    global_observables: bool = False
    top_camera: bool = False
    good_visibility: bool = False
    show_path: bool = False
    # The border would cover smaller pictures, and MuJoCo's own buffer is no higher.
    camera_resolution: Annotated[int, Whole(64, 480)] = 64
    randomize_colors: bool = False

    def check(self) -> None:
        """Hold what depends on several options."""
        for name in ("image_only_obs", "show_path", "top_camera"):
            self._require(name, "false without a camera, for there is no picture", self.camera)
        seen = self.target_color_in_image
        self._require(
            "image_only_obs", "false where target_color_in_image is false: it must be seen somewhere", seen
        )
        self._require("show_path", "false without global_observables", self.global_observables)

    def _require(self, name: str, expected: str, may_be_true: bool) -> None:
        value = getattr(self, name)
        require(may_be_true or not value, name, expected, value, "RealMemoryMaze")

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
