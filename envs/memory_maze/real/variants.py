"""The variants that the package registers, by their names there and by short names here."""

from __future__ import annotations

from typing import Annotated, Any

from engram.common.option_types import one_of
from engram.envs.memory_maze.sizes import SIZES

_IMAGE: dict[str, Any] = {"image_only_obs": True}
_EXTRA: dict[str, Any] = {"global_observables": True, "image_only_obs": False}
_VIS: dict[str, Any] = {"good_visibility": True}
_HD: dict[str, Any] = {"camera_resolution": 256}
_TOP: dict[str, Any] = {"camera_resolution": 256, "top_camera": True}
_PATH: dict[str, Any] = {"global_observables": True, "show_path": True}
_FREQUENT: dict[str, Any] = {"control_freq": 40.0}
_COLORS: dict[str, Any] = {"randomize_colors": True}

# Suffix of the package's id -> options of `RealMemoryMaze`.
VARIANTS: dict[str, dict[str, Any]] = {
    "": _IMAGE,
    "Vis": _IMAGE | _VIS,
    "HD": _IMAGE | _HD,
    "Top": _IMAGE | _TOP,
    "ExtraObs": _EXTRA,
    "ExtraObs-Vis": _EXTRA | _VIS,
    "ExtraObs-Top": _EXTRA | _TOP,
    "Oracle": _IMAGE | _PATH,
    "Oracle-Top": _IMAGE | _PATH | _TOP,
    "Oracle-ExtraObs": _EXTRA | _PATH,
    "HiFreq": _IMAGE | _FREQUENT,
    "HiFreq-Vis": _IMAGE | _FREQUENT | _VIS,
    "HiFreq-HD": _IMAGE | _FREQUENT | _HD,
    "6CL": _IMAGE | _COLORS,
    "6CL-Top": _IMAGE | _COLORS | _TOP,
    "6CL-ExtraObs": _EXTRA | _COLORS,
}
# `tiny` is ours, so the package has no variant of it.
REAL_SIZES = tuple(size for size in SIZES if size != "tiny")
RealSize = Annotated[str, one_of(REAL_SIZES)]
_SNAKE = {"Vis": "vis", "HD": "hd", "Top": "top", "ExtraObs": "extra_obs", "Oracle": "oracle"} | {
    "HiFreq": "hi_freq",
    "6CL": "6cl",
}


def real_id(size: str, suffix: str = "") -> str:
    """Return the Gymnasium id of a variant, such as `engram/RealMemoryMaze-9x9-ExtraObs-v0`."""
    return f"engram/RealMemoryMaze-{size}{suffix and '-' + suffix}-v0"


def short_name(size: str, suffix: str = "") -> str:
    """Return the short name of a variant, such as `9x9_extra_obs`."""
    return "_".join([size, *(_SNAKE[word] for word in suffix.split("-") if word)])
