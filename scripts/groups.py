"""The groups of options of which one each is chosen by its name: `core=s5`, `env=popgym/repeat_previous_easy`."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from hydra.core.config_store import ConfigStore

from engram import configs, envs
from engram.envs.worker_pipe import WORKER_TIMEOUT

CONFIG_DIR = Path(configs.__file__).resolve().parent
GROUPS = ("agent", "core", "env", "size", "experiment")


@functools.cache
def register_names() -> None:
    """Register the options that differ only by a name, so that each needs no file of its own."""
    store = ConfigStore.instance()
    for option in _named_envs():
        suite, name = option.split("/")
        description = {
            "_target_": f"engram.envs.make_{suite}",
            "_partial_": True,
            "name": name,
            "kwargs": {},
            "backend": "native",
            "vectorization": None,
            "worker_timeout": WORKER_TIMEOUT,
            "action": "auto",
            "max_episode_steps": None,
            "render_mode": None,
        }
        store.store(group=f"env/{suite}", name=name, node=description, package="env")
    for group in ("agent", "core", "env"):
        # A class of the user's own: core=custom core._target_=my_package.MyCore +core.hidden_size=64
        store.store(group=group, name="custom", node={"_target_": "???", "_partial_": True})


def _named_envs() -> list[str]:
    """The environments that differ only by a name, as `<suite>/<name>`; `engram.envs.make_<suite>` makes them."""
    popgym = (*envs.popgym_names(), *envs.popgym_families())
    return [
        *(f"popgym/{name}" for name in popgym),
        *(f"memory_maze/{name}" for name in envs.memory_maze_names()),
    ]


def group_options(group: str) -> list[str]:
    """List the options of a config group, files and registered names alike."""
    directory = CONFIG_DIR / group
    options = {path.relative_to(directory).with_suffix("").as_posix() for path in directory.rglob("*.yaml")}
    if group == "env":
        options |= set(_named_envs())
    if group in ("agent", "core", "env"):
        options.add("custom")
    return sorted(options)


def options_with(group: str, key: str) -> list[str]:
    """List the options of a group whose files list a key; registered names have none."""
    files = {option: CONFIG_DIR / group / f"{option}.yaml" for option in group_options(group)}
    line = re.compile(rf"\s*{re.escape(key)}:", re.MULTILINE)
    return [option for option, path in files.items() if path.exists() and line.search(path.read_text())]
