"""MiniGrid's tasks of memory by short names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engram.envs.minigrid.memory import MiniGridMemory
from engram.envs.minigrid.red_blue_doors import RedBlueDoors
from engram.envs.native import NativeVectorEnv
from engram.envs.task import PackageVersion, Task

# Short name -> the package's id, the native class, its options, and the mean return of uniformly random actions,
# measured on the native tasks over 20,000 episodes, with a standard error of at most 0.003.
_TASKS: dict[str, tuple[str, type[NativeVectorEnv], dict[str, Any], float]] = {
    "memory_s7": ("MemoryS7", MiniGridMemory, {"size": 7}, 0.160),
    "memory_s9": ("MemoryS9", MiniGridMemory, {"size": 9}, 0.181),
    "memory_s11": ("MemoryS11", MiniGridMemory, {"size": 11}, 0.192),
    "memory_s13": ("MemoryS13", MiniGridMemory, {"size": 13}, 0.198),
    "memory_s13random": ("MemoryS13Random", MiniGridMemory, {"size": 13, "random_length": True}, 0.238),
    "memory_s17random": ("MemoryS17Random", MiniGridMemory, {"size": 17, "random_length": True}, 0.268),
    "red_blue_doors_6x6": ("RedBlueDoors-6x6", RedBlueDoors, {"size": 6}, 0.057),
    "red_blue_doors_8x8": ("RedBlueDoors-8x8", RedBlueDoors, {"size": 8}, 0.041),
}
_FAMILIES: dict[str, type[NativeVectorEnv]] = {"memory": MiniGridMemory, "red_blue_doors": RedBlueDoors}


def _tasks() -> Iterator[Task]:
    for family, native in _FAMILIES.items():
        yield Task(f"minigrid/{family}", native, ids=(f"engram/{native.__name__}-v0",), is_scaled=True)
        for name, (id, of, options, chance) in _TASKS.items():
            if of is native:
                yield Task(
                    name=f"minigrid/{name}",
                    native=native,
                    fixed=options,
                    general=f"minigrid/{family}",
                    ids=(f"engram/MiniGrid-{id}-v0",),
                    package=_package(id),
                    chance_return=chance,
                    is_scaled=True,
                )


def _package(id: str) -> PackageVersion:
    """The package's task with the native one's spaces, registered here as `engram/package-MiniGrid-<id>-v0`."""
    return PackageVersion(
        id=f"engram.envs:engram/package-MiniGrid-{id}-v0",
        needs=("minigrid",),
        spec={
            "entry_point": "engram.envs.minigrid.package:make_symbols_only",
            "kwargs": {"id": f"minigrid:MiniGrid-{id}-v0"},
        },
    )


TASKS = tuple(_tasks())
