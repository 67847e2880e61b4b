"""Which packages the real Memory Maze needs, and which of their versions work together."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

# dm_control -> the one mujoco it works with, of those whose picture is that of the reference. Others stop with an
# error (a plain `pip install memory-maze` gives such a pair), or draw the walls' textures elsewhere: dm_control
# 1.0.22 smears them, 1.0.45 and later mirror them.
WORKING_PAIRS = {
    "1.0.28": "3.3.0",
    "1.0.31": "3.3.3",
    "1.0.34": "3.3.7",
    "1.0.36": "3.4.0",
    "1.0.38": "3.6.0",
    "1.0.39": "3.7.0",
    "1.0.40": "3.8.0",
    "1.0.41": "3.8.1",
    "1.0.43": "3.10.0",
}
INSTALL = "run pip install memory-maze==1.0.3 dm_control==1.0.28 mujoco==3.3.0 pillow"
if sys.version_info >= (3, 13):
    INSTALL = "use Python 3.11 or 3.12, since labmaze, which they need, has no wheel for 3.13"


def installed_versions() -> dict[str, str]:
    """Return the versions of what the real Memory Maze runs on, for any result measured with it.

    Raises:
        ValueError: if one of them is not installed.
    """
    try:
        return {name: version(name) for name in ("memory-maze", "dm_control", "mujoco", "labmaze")}
    except PackageNotFoundError as error:
        raise ValueError(
            "The real Memory Maze needs the packages memory-maze, dm_control and mujoco, but "
            f"{error.name} is not installed: {INSTALL}."
        ) from error


def check_versions() -> None:
    """Refuse packages that do not work together; nothing is imported.

    Raises:
        ValueError: if one is not installed, or dm_control and mujoco are no pair of `WORKING_PAIRS`.
    """
    found = installed_versions()
    if WORKING_PAIRS.get(found["dm_control"]) != found["mujoco"]:
        raise ValueError(
            "The real Memory Maze works with one mujoco for each dm_control, such as 3.3.0 for 1.0.28, but "
            f"dm_control {found['dm_control']} and mujoco {found['mujoco']} are installed: {INSTALL}."
        )
