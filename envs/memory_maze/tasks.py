"""Memory Maze by short names: its sizes and variants, native or the package's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engram.envs.memory_maze.maze import MemoryMaze
from engram.envs.memory_maze.real import REAL_SIZES, VARIANTS, real_id, short_name
from engram.envs.memory_maze.sizes import SIZES
from engram.envs.task import PackageVersion, Task

_EXTRA, _LOW, _COLORS = {"global_observables": True}, {"low_walls": True}, {"shuffle_colors": True}
# Suffix of the package's id -> options of the native version, where it has them.
_NATIVE: dict[str, dict[str, Any]] = {
    "": {},
    "Vis": _LOW,
    "HD": {"image_size": 256},
    "ExtraObs": _EXTRA,
    "ExtraObs-Vis": _EXTRA | _LOW,
    "6CL": _COLORS,
    "6CL-ExtraObs": _EXTRA | _COLORS,
}


def _tasks() -> Iterator[Task]:
    for size in SIZES:
        for suffix in VARIANTS if size in REAL_SIZES else _NATIVE:
            yield Task(
                name=f"memory_maze/{short_name(size, suffix)}",
                native=MemoryMaze if suffix in _NATIVE else None,
                fixed={"size": size},
                preset=_NATIVE.get(suffix, {}),
                ids=() if suffix else (f"engram/MemoryMaze-{size}-v0",),
                package=_package(size, suffix) if size in REAL_SIZES else None,
            )


def _package(size: str, suffix: str) -> PackageVersion:
    """The package's variant, registered here as `engram/RealMemoryMaze-<size>[-<suffix>]-v0`."""
    return PackageVersion(
        id=f"engram.envs:{real_id(size, suffix)}",
        # A display of OpenGL that this process may hold does not live on in a fork.
        options={"vectorization": "async", "start_method": "spawn"},
        spec={
            "entry_point": "engram.envs.memory_maze.real:RealMemoryMaze",
            "kwargs": {"size": size, **VARIANTS[suffix]},
        },
    )


TASKS = tuple(_tasks())
