"""The package's Memory Maze in MuJoCo as a Gymnasium environment."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium
import numpy as np

from engram.envs.memory_maze.real.gl import choose_gl
from engram.envs.memory_maze.real.package import load_tasks, without_camera
from engram.envs.memory_maze.real.spaces import RealOptions
from engram.envs.memory_maze.real.versions import check_versions

_PICTURE_SIDE = 256
_LARGEST_SEED = 2**32 - 1


class RealMemoryMaze(gymnasium.Env[Any, Any]):
    """Memory Maze of Pasukonis et al. 2022, in MuJoCo: find the target of the colour that the border shows.

    A reset with a seed builds the task with it, so it plays what the package plays with that seed; a reset
    without goes on to the next maze of the same generator. MuJoCo is imported by the first reset only: until
    then a process may fork, which it must not while it holds an OpenGL display.

    Args:
        size: `9x9`, `11x11`, `13x13` or `15x15`.
        camera: draw pictures; without, the physics alone run several times faster and need no OpenGL.
        control_freq: actions per second; an episode lasts as many seconds at any.
        discrete_actions: six actions, as noop, forward, left, right, forward and left, forward and right;
            or, if False, [drive, steer] in [-1, 1], -1 forward and left.
        image_only_obs: observations are the picture instead of a dictionary; by default so, unless
            `global_observables` or no camera asks for a dictionary.
        target_color_in_image: draw the border in the current target's colour.
        global_observables: add layout, poses and vectors, in cells from the bottom-left inner corner;
            `maze_layout` is indexed [y, x], 1 where free.
        top_camera: look at the maze from above.
        good_visibility: low walls, targets raised above them.
        show_path: draw a map with the shortest path into the picture's corner.
        camera_resolution: pixels along a side, 64 to 480.
        randomize_colors: shuffle all six colours in each episode.
        render_mode: `rgb_array`: the last picture, enlarged without smoothing to at least 256 pixels.

    Raises:
        ValueError: if an option will not do, the packages are missing or do not work together, or there is no
            OpenGL for the pictures.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        size: str = "9x9",
        *,
        camera: bool = True,
        control_freq: float = 4.0,
        discrete_actions: bool = True,
        image_only_obs: bool | None = None,
        target_color_in_image: bool = True,
        global_observables: bool = False,
        top_camera: bool = False,
        good_visibility: bool = False,
        show_path: bool = False,
        camera_resolution: int = 64,
        randomize_colors: bool = False,
        render_mode: str | None = None,
    ) -> None:
        self.options = RealOptions(
            size=size,
            camera=camera,
            control_freq=control_freq,
            discrete_actions=discrete_actions,
            image_only_obs=camera and not global_observables if image_only_obs is None else image_only_obs,
            target_color_in_image=target_color_in_image,
            global_observables=global_observables,
            top_camera=top_camera,
            good_visibility=good_visibility,
            show_path=show_path,
            camera_resolution=camera_resolution,
            randomize_colors=randomize_colors,
        )
        if render_mode not in (None, "rgb_array") or (render_mode and not camera):
            raise ValueError(
                "render_mode must be None, or with a camera 'rgb_array', but it is "
                f"{render_mode!r} with camera={camera}: change one of them."
            )
        check_versions()
        choose_gl(camera)
        self.metadata = {**self.metadata, "render_fps": round(control_freq)}
        self.render_mode = render_mode
        self.observation_space = self.options.observation_space()
        self.action_space = self.options.action_space()
        self._env: Any = None
        self._picture: np.ndarray | None = None
        self._is_over = True

    @property
    def task(self) -> Any:
        """The task within the package's environment; there is one after the first reset."""
        return self._env.task

    @property
    def physics(self) -> Any:
        """The physics of the current episode; there is one after the first reset."""
        return self._env.physics

    def reset(  # noqa: D102
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None or self._env is None:
            self.close()
            if seed is None or seed > _LARGEST_SEED:
                seed = int(self.np_random.integers(_LARGEST_SEED))
            self._env = self._build(seed)
        self._is_over = False
        return self._observe(self._env.reset().observation), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # noqa: D102
        if self._is_over:
            raise gymnasium.error.ResetNeeded(
                "An episode begins with reset, but there was none: call it first."
            )
        given = int(action) if self.options.discrete_actions else np.asarray(action, np.float64)
        timestep = self._env.step(given)
        self._is_over = timestep.last()
        # The package's episodes end by their time limit alone, which leaves the discount at 1.
        terminated = bool(self._is_over and timestep.discount == 0)
        truncated = bool(self._is_over and not terminated)
        return self._observe(timestep.observation), float(timestep.reward), terminated, truncated, {}

    def render(self) -> np.ndarray | None:  # noqa: D102
        if self.render_mode is None or self._picture is None:
            return None
        factor = max(1, _PICTURE_SIDE // self.options.camera_resolution)
        return self._picture.repeat(factor, 0).repeat(factor, 1)

    def close(self) -> None:  # noqa: D102
        if self._env is not None:
            self._env.close()
            self._env = None
        self._is_over = True

    def _build(self, seed: int) -> Any:
        """Build the package's environment."""
        tasks = load_tasks()
        make = partial(
            getattr(tasks, f"memory_maze_{self.options.size}"), seed=seed, **self.options.task_arguments()
        )
        if self.options.camera:
            return make()
        with without_camera(tasks):
            env = make()
        del env.mapping["image"]
        return env

    def _observe(self, observation: Any) -> Any:
        """Copy what the package gave, because it draws into the same arrays again."""
        if self.options.image_only_obs:
            self._picture = np.array(observation)
            return self._picture.copy()
        copied = {key: np.array(observation[key]) for key in self.observation_space.spaces}  # type: ignore[attr-defined]
        self._picture = copied.get("image")
        return copied
