"""Ids of Gymnasium environments: which are well formed, and which package those that are missing come from."""

from __future__ import annotations

import difflib
import importlib
import importlib.util

import gymnasium
from gymnasium.envs.registration import ENV_ID_RE

# Where the name to install is not the name to import.
_PACKAGES = {
    "popgym": "popgym[navigation]",
    "ale_py": "ale-py",
    "memory_maze": "memory-maze",
    "memory_gym": "--no-deps memory-gym==1.0.2 pygame-ce",  # it pins an old gymnasium
}
# How ids of well-known packages begin -> the package to put before them.
_HOMES = {
    "ALE/": "ale_py",
    "MortarMayhem": "memory_gym",
    "MysteryPath": "memory_gym",
    "SearingSpotlights": "memory_gym",
    "Endless-": "memory_gym",
    "BabyAI-": "minigrid",
    "MiniGrid-": "minigrid",
    "MiniWorld-": "miniworld",
    "MemoryMaze-": "memory_maze",
    "popgym-": "popgym",
    "Crafter": "crafter",
    "MiniHack-": "minihack",
    "NetHack": "nle",
    "Fetch": "gymnasium_robotics",
    "PointMaze": "gymnasium_robotics",
    "AntMaze": "gymnasium_robotics",
    "Adroit": "gymnasium_robotics",
    "HandManipulate": "gymnasium_robotics",
    "Vizdoom": "vizdoom.gymnasium_wrapper",
    "highway-": "highway_env",
    "dm_control/": "shimmy",
    "procgen": "procgen",
    "engram/": "engram.envs",
}
_INSTALL = {"gymnasium_robotics": "gymnasium-robotics", "highway_env": "highway-env", "vizdoom": "vizdoom"}


def malformed(id: object) -> bool:
    """Whether this is no id: a name as Gymnasium registers them, with `package:` before it or not."""
    if not isinstance(id, str):
        return True
    module, colon, name = id.rpartition(":")
    is_module = all(part.isidentifier() for part in module.split(".")) if colon else True
    return not is_module or ENV_ID_RE.fullmatch(name) is None


def foreign_package(id: str) -> str | None:
    """The top-level package that making an environment would run code of; None if that is Gymnasium or Engram alone.

    Nothing is imported.

    Args:
        id: registered id, with `module:` before it or not.
    """
    module, _, name = id.rpartition(":")
    if module:
        return None if module in ("gymnasium", "engram.envs") else module.partition(".")[0]
    spec = gymnasium.registry.get(name)
    if spec is None:  # refused when it is made
        return None
    points = [point for point in (spec.entry_point, spec.vector_entry_point) if point is not None]
    modules = (point if isinstance(point, str) else str(point.__module__) for point in points)
    packages = [module.partition(":")[0].partition(".")[0] for module in modules]
    # The classes of POPGym and Memory Maze that Engram registers itself are its own environments.
    known = ("gymnasium", "engram", *(("popgym", "memory_maze") if name.startswith("engram/") else ()))
    return next((package for package in packages if package not in known), None)


def not_registered(name: str, module: str = "") -> str:
    """Say in one sentence that an id is not registered, and what to do: another spelling, or the package first.

    Args:
        name: the id.
        module: that was put before it, and has been imported.
    """
    said = f"An environment id must be registered with Gymnasium, but {name!r} is not: "
    nearest = difflib.get_close_matches(name, gymnasium.registry, n=3, cutoff=0.8)
    home = next((package for start, package in _HOMES.items() if name.startswith(start)), None)
    home = "ale_py" if home is None and "NoFrameskip-" in name else home
    own = [id for id in nearest if home is None or id.startswith(name.partition("-")[0])]
    if own:
        return said + f"did you mean {' or '.join(own)}?"
    if module and not _registers(module.partition(".")[0]):
        return (
            f"{said}{module!r} registers none with it, so put a class derived from gymnasium.Env around what it has "
            "(docs/your_environments.md)."
        )
    if module:
        return said + "look for its spelling."
    if home is None:
        return said + "put its package first, `package:id`."
    package = home.partition(".")[0]
    if importlib.util.find_spec(package) is not None:
        return said + f"put its package first, env.id={home}:{name}, and if that is so look for its spelling."
    return said + f"run pip install {_to_install(package)} and put the package first, env.id={home}:{name}."


def _registers(package: str) -> bool:
    """Whether a package has registered an environment of its own with Gymnasium."""
    specs = gymnasium.registry.values()
    points = [point for spec in specs for point in (spec.entry_point, spec.vector_entry_point) if point]
    modules = {point if isinstance(point, str) else str(point.__module__) for point in points}
    return any(module.partition(":")[0].partition(".")[0] == package for module in modules)


def import_package(module: str, user: str) -> None:
    """Import a module that registers environments; ValueError saying what to install if there is none.

    Args:
        module: name to import.
        user: what needs it, for the message.

    Raises:
        ValueError: if it, or a package that it imports, is not installed.
    """
    try:
        importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        # A package that is there but does not import, say beside another one's new release, is to be installed anew.
        is_missing = isinstance(error, ModuleNotFoundError)
        missing = (error.name or module).partition(".")[0] if is_missing else package
        if missing == package:
            raise ValueError(
                f"The {user} needs the package {module!r}, which cannot be imported ({error}): "
                f"run pip install {_to_install(missing)}."
            ) from error
        raise ValueError(
            f"The {user} needs {module!r}, which imports {missing!r}, and that is not installed: "
            f"run pip install {_to_install(missing)}."
        ) from error


def _to_install(package: str) -> str:
    """What pip is told to install a package."""
    known = {**_PACKAGES, **_INSTALL}.get(package, package)
    return known if " " in known else f"'{known}'"
