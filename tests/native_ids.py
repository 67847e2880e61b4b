"""The registered native environments: each task once, and one of each kind."""

from engram import envs

MAKERS = envs.registered_natives()
# POPGym's names without a level, where their defaults are those of the easy one (test_natives.py).
OWN_DEFAULTS = ("engram/popgym-Battleship-v0", "engram/popgym-Concentration-v0")
SECOND_NAMES = {
    id: easy
    for id in MAKERS
    if id not in OWN_DEFAULTS and (easy := id.removesuffix("-v0") + "Easy-v0") in MAKERS
}
SECOND_NAMES |= {
    "engram/MiniGridMemory-v0": "engram/MiniGrid-MemoryS7-v0",
    "engram/RedBlueDoors-v0": "engram/MiniGrid-RedBlueDoors-8x8-v0",
    "engram/Ballet-v0": "engram/ballet-2-delay16-v0",
    "engram/MortarMayhemGrid-v0": "engram/MortarMayhem-Grid-10-v0",
    "engram/MysteryPathGrid-v0": "engram/MysteryPath-Grid-v0",
}
IDS = [id for id in MAKERS if id not in SECOND_NAMES]
LARGE = (  # differ in numbers alone
    *("Medium-v0", "Hard-v0", "11x11-v0", "13x13-v0", "15x15-v0"),
    *("MemoryS9-v0", "MemoryS11-v0", "MemoryS13-v0", "MemoryS13Random-v0", "Doors-8x8-v0"),
    *("4-delay16-v0", "8-delay16-v0", "2-delay48-v0", "4-delay48-v0", "8-delay48-v0"),
    *("Grid-5-v0", "Grid-10-v0"),
)
FEW = [id for id in IDS if not id.endswith(LARGE)]


def options(id: str) -> dict[str, int]:
    """Options that make an environment cheap."""
    return {"num_layouts": 4} if "MemoryMaze" in id else {}
