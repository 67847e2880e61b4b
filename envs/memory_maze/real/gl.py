"""Which OpenGL MuJoCo draws with; chosen before it is imported, because it cannot change afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

_VARIABLE = "MUJOCO_GL"
_WITHOUT_DISPLAY = ("egl", "osmesa")
_OFF = ("off", "disable", "disabled", "false", "0")
# In a process of its own, because a backend that fails leaves OpenGL loaded, or ends the process.
_TRY = """
import mujoco
from dm_control import _render
context = _render.Renderer(64, 64)
with context.make_current() as current:
    current.call(mujoco.MjrContext, mujoco.MjModel.from_xml_string("<mujoco/>"), 100)
"""


def choose_gl(camera: bool = True) -> str:
    """Choose what MuJoCo draws with and set MUJOCO_GL, for this process and those it starts.

    A value the user gave is kept if it works, and so is what dm_control was imported with. Otherwise EGL is
    tried, then OSMesa, which need no display; nothing is imported here, each is tried in a process of its own.

    Args:
        camera: whether pictures are needed; without, `off` will do where nothing works.

    Returns:
        The value of MUJOCO_GL.

    Raises:
        ValueError: if pictures are needed and nothing works, or the user gave `off`.
    """
    loaded = sys.modules.get("dm_control._render")
    given = os.environ.get(_VARIABLE) if loaded is None else loaded.BACKEND or "off"
    if given is not None and given.lower() in _OFF:
        if camera:
            raise ValueError(
                f"The real Memory Maze needs OpenGL for its pictures, but {_VARIABLE} is {given!r}: set it to "
                "egl or osmesa, or unset it, before dm_control is imported, or ask for camera=False."
            )
        return given
    failures = []
    for candidate in _WITHOUT_DISPLAY if given is None else (given,):
        failure = _failure(candidate)
        if failure is None:
            os.environ[_VARIABLE] = candidate
            return candidate
        failures.append(f"{candidate}: {failure}")
    if camera:
        raise ValueError(
            f"The real Memory Maze needs OpenGL for its pictures, but nothing works ({'; '.join(failures)}): "
            f"install EGL (libegl1) or OSMesa (libosmesa6) and leave {_VARIABLE} unset until "
            "dm_control is imported, or ask for camera=False."
        )
    os.environ[_VARIABLE] = "off"
    return "off"


@cache
def _failure(candidate: str) -> str | None:
    """Return why a backend does not draw here in one line, None if it does."""
    environment = {**os.environ, _VARIABLE: candidate}
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _TRY], env=environment, capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        return "no answer within two minutes"
    if ended.returncode == 0:
        return None
    lines = ended.stderr.strip().splitlines()
    return lines[-1][:200].rstrip(".") if lines else f"the process ended with {ended.returncode}"
