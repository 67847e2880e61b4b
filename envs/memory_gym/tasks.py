"""Memory Gym's tasks on a grid by short names."""

from __future__ import annotations

from typing import Any

from engram.envs.memory_gym.endless_mortar_mayhem import CHANCE_RETURN, EndlessMortarMayhem
from engram.envs.memory_gym.mortar_mayhem import MortarMayhemGrid
from engram.envs.memory_gym.mystery_path import MysteryPathGrid
from engram.envs.task import PackageVersion, Task

# Mean returns of uniformly random actions over 100,000 episodes and more; with 3, 5 and 10 commands the same, since
# hardly any carries out a third one.
_MORTAR_CHANCE, _MYSTERY_CHANCE = 0.020, 0.0098


def _package(id: str, own: str, **reset_options: Any) -> PackageVersion:
    """The package's task, registered here as `engram/package-<own>-v0`, with its parameters."""
    return PackageVersion(
        id=f"engram.envs:engram/package-{own}-v0",
        needs=("memory_gym",),
        spec={
            "entry_point": "engram.envs.memory_gym.package:make_episodes",
            "kwargs": {"id": f"memory_gym:{id}-v0", "reset_options": reset_options},
        },
    )


TASKS = (
    Task("memory_gym/mortar_mayhem", MortarMayhemGrid, ids=("engram/MortarMayhemGrid-v0",), is_scaled=True),
    *(
        Task(
            f"memory_gym/mortar_mayhem_grid_{count}",
            MortarMayhemGrid,
            fixed={"num_commands": count},
            general="memory_gym/mortar_mayhem",
            ids=(f"engram/MortarMayhem-Grid-{count}-v0",),
            package=_package("MortarMayhem-Grid", f"MortarMayhem-Grid-{count}", command_count=[count]),
            chance_return=_MORTAR_CHANCE,
            is_scaled=True,
        )
        for count in (3, 5, 10)
    ),
    Task("memory_gym/mystery_path", MysteryPathGrid, ids=("engram/MysteryPathGrid-v0",), is_scaled=True),
    Task(
        "memory_gym/mystery_path_grid",
        MysteryPathGrid,
        fixed={"max_steps": 128},
        general="memory_gym/mystery_path",
        ids=("engram/MysteryPath-Grid-v0",),
        package=_package("MysteryPath-Grid", "MysteryPath-Grid"),
        chance_return=_MYSTERY_CHANCE,
        is_scaled=True,
    ),
    Task(
        "memory_gym/endless_mortar_mayhem",
        EndlessMortarMayhem,
        ids=("engram/Endless-MortarMayhem-v0",),
        package=_package("Endless-MortarMayhem", "Endless-MortarMayhem"),
        chance_return=CHANCE_RETURN,
    ),
)
