"""Memory Maze by short names: the native version, or the package's own and its variants."""

from __future__ import annotations

import difflib
import inspect
from typing import Any, Literal

import gymnasium
import torch

from engram.envs.box_actions import BoxAction, check_box_action
from engram.envs.errors import unknown_option
from engram.envs.gymnasium_env import GymnasiumEnv
from engram.envs.memory_maze.real import REAL_SIZES, VARIANTS, real_id, real_ids
from engram.envs.memory_maze.sizes import SIZES
from engram.envs.native import NativeVectorEnv
from engram.envs.vector_env import VectorEnv
from engram.envs.worker_pipe import WORKER_TIMEOUT, check_worker_timeout

_EXTRA, _LOW, _COLORS = {"global_observables": True}, {"low_walls": True}, {"shuffle_colors": True}
# Suffix of the short name -> options of the native version, where it has them.
_NATIVE_VARIANTS: dict[str, dict[str, Any]] = {
    "": {},
    "vis": _LOW,
    "hd": {"image_size": 256},
    "extra_obs": _EXTRA,
    "extra_obs_vis": _EXTRA | _LOW,
    "6cl": _COLORS,
    "6cl_extra_obs": _EXTRA | _COLORS,
}


def native_names() -> list[str]:
    """Return the short names that the native version has, of all sizes, `tiny` included."""
    return [size + (suffix and f"_{suffix}") for size in SIZES for suffix in _NATIVE_VARIANTS]


def memory_maze_names() -> list[str]:
    """Return all short names: a size, or a size and a variant, such as `9x9` and `9x9_extra_obs`."""
    native = native_names()
    return [*native, *(name for name in real_ids() if name not in native)]


def make_memory_maze(
    name: str,
    num_envs: int,
    kwargs: dict[str, Any] | None = None,
    backend: Literal["native", "package"] = "native",
    vectorization: Literal["sync", "async"] | None = None,
    worker_timeout: float | None = WORKER_TIMEOUT,
    action: BoxAction = "auto",
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
    device: torch.device | str = "cpu",
    env_index_offset: int = 0,
) -> VectorEnv:
    """Make a Memory Maze.

    Args:
        name: one of `memory_maze_names()`, such as `9x9` or `9x9_extra_obs`.
        num_envs: number of environments B.
        kwargs: options, of `MemoryMaze` or of `RealMemoryMaze`.
        backend: `native`: batched on any device; `package`: MuJoCo's own through Gymnasium, which needs
            memory-maze, dm_control and mujoco, and about 1.7 GB of memory per environment.
        vectorization: as for `GymnasiumEnv`, by default `async`; the package's version only.
        worker_timeout: as for `GymnasiumEnv`; the package's version only.
        action: as for `GymnasiumEnv`; with `discrete_actions=False`, whose bounds of -1 and 1 make all ways the same.
        max_episode_steps: as for `GymnasiumEnv`; episodes end by themselves, the native version's only so.
        render_mode: `rgb_array` for videos.
        device: of the rows.
        env_index_offset: as for `GymnasiumEnv`.

    Returns:
        The environment, named `memory_maze/<name>`.

    Raises:
        ValueError: if there is no such maze or option, or the packages are missing or do not work together.
    """
    _check_name(name, backend)
    check_box_action(action)
    given: dict[str, Any] = {
        option: value
        for option, value in (
            ("vectorization", vectorization),
            ("max_episode_steps", max_episode_steps),
            ("render_mode", render_mode),
        )
        if value is not None
    }
    if worker_timeout != WORKER_TIMEOUT:
        given["worker_timeout"] = check_worker_timeout(worker_timeout)
    common = {"device": device, "env_index_offset": env_index_offset}
    if backend == "native":
        return _make_native(name, num_envs, dict(kwargs or {}), given, common)
    return GymnasiumEnv(
        # The package before the id also registers it in a worker process that starts from nothing.
        id=f"engram.envs:{real_ids()[name]}",
        num_envs=num_envs,
        kwargs=kwargs,
        name=f"memory_maze/{name}",
        action=action,
        start_method="spawn",  # a display of OpenGL that this process may hold does not live on in a fork
        **{"vectorization": "async", **given},
        **common,  # type: ignore[arg-type]
    )


def _check_name(name: str, backend: str) -> None:
    """Refuse a name that the backend does not have."""
    if backend not in ("native", "package"):
        raise ValueError(
            f"backend of Memory Maze {name!r} must be 'native' or 'package', but it is {backend!r}: set it so."
        )
    names = memory_maze_names()
    if name not in names:
        nearest = difflib.get_close_matches(name, names, n=3)
        raise ValueError(
            f"A Memory Maze must be one of {', '.join(SIZES)} or a variant such as '9x9_extra_obs', but it is "
            f"{name!r}" + (f": did you mean {' or '.join(nearest)}?" if nearest else ": choose one of these.")
        )
    if backend == "native" and name not in native_names():
        raise ValueError(
            f"The native Memory Maze has the variants {', '.join(filter(None, _NATIVE_VARIANTS))}, but got "
            f"{name!r}: take the package's with backend=package."
        )
    if backend == "package" and name not in real_ids():
        raise ValueError(
            f"The package's Memory Maze has the sizes {', '.join(REAL_SIZES)}, but got {name!r}: take the "
            "native one with backend=native."
        )


def _make_native(
    name: str, num_envs: int, kwargs: dict[str, Any], given: dict[str, Any], common: dict[str, Any]
) -> NativeVectorEnv:
    """Make the native version; `given` are those options of the package's version that were given."""
    from engram.envs.memory_maze.maze import MemoryMaze

    size, _, suffix = name.partition("_")
    parameters = inspect.signature(MemoryMaze).parameters
    if given.get("render_mode") == "rgb_array":
        del given["render_mode"]  # it draws without being asked
    for option, value in given.items():
        if option not in parameters:
            raise unknown_option(
                f"The native Memory Maze has no option {option}, but got {option}={value!r}: leave it out, or "
                "take the package's with backend=package.",
                option,
            )
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    own = [option for option in parameters if option not in ("num_envs", "size", *common)]
    if not takes_any and (unknown := set(kwargs) - set(own)):
        raise unknown_option(
            f"The options of the native Memory Maze are {', '.join(own) or 'none'}, but got "
            f"{', '.join(map(repr, sorted(unknown)))}: give some of these.",
            min(unknown),
        )
    options = {**_NATIVE_VARIANTS[suffix], **kwargs, **given, **common}
    env: NativeVectorEnv = MemoryMaze(num_envs, size=size, **options)
    env.name = f"memory_maze/{name}"
    return env


def register_real_mazes() -> None:
    """Register the package's variants as `engram/RealMemoryMaze-<size>[-<suffix>]-v0`."""
    for size in REAL_SIZES:
        for suffix, options in VARIANTS.items():
            if real_id(size, suffix) not in gymnasium.registry:
                gymnasium.register(
                    id=real_id(size, suffix),
                    entry_point="engram.envs.memory_maze.real:RealMemoryMaze",
                    kwargs={"size": size, **options},
                )
