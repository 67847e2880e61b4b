"""The groups of options of which one each is chosen by its name: `core=s5`, `env=popgym/repeat_previous_easy`."""

from __future__ import annotations

import functools
import inspect
import re
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from engram import configs
from engram.agents.stored.names import public_name
from engram.envs.table import TASKS, make_env, maker, table_order
from engram.envs.wrappers import WRAPPING

CONFIG_DIR = Path(configs.__file__).resolve().parent
GROUPS = ("agent", "core", "env", "size", "experiment")
# What Engram gives to an environment, and what is there only where it is given on the command line.
_NO_OPTIONS_OF_ENVS = ("num_envs", "device", "env_index_offset", *WRAPPING)


@functools.cache
def register_names() -> None:
    """Register the options that need no file of their own."""
    store = ConfigStore.instance()
    # Hydra copies the one store, which it only reads, for every composition: two fifths of its time.
    vars(store)["__deepcopy__"] = lambda memo: store
    for option in TASKS:
        folder, name = option.split("/")
        store.store(group=f"env/{folder}", name=name, node=env_description(option), package="env")
    for group in ("agent", "core", "env"):
        # A class of the user's own: core=custom core._target_=my_package.MyCore +core.hidden_size=64
        store.store(group=group, name="custom", node={"_target_": "???", "_partial_": True})


def env_description(name: str) -> dict[str, Any]:
    """Describe an environment of the table: what makes it, and its options with their defaults.

    Args:
        name: its short name.
    """
    make = maker(TASKS[name])
    parameters = inspect.signature(make).parameters.values()
    options = {one.name: one.default for one in parameters if one.name not in _NO_OPTIONS_OF_ENVS}
    by_name = {"name": name, "kwargs": {}} if make is make_env else {}
    return {"_target_": public_name(make), "_partial_": True, **options, **by_name}


def group_options(group: str) -> list[str]:
    """List the options of a config group, files and registered names alike, environments in the order of the table."""
    directory = CONFIG_DIR / group
    options = {path.relative_to(directory).with_suffix("").as_posix() for path in directory.rglob("*.yaml")}
    if group == "env":
        options |= TASKS.keys()
    if group in ("agent", "core", "env"):
        options.add("custom")
    return sorted(options, key=table_order)


def options_with(group: str, key: str) -> list[str]:
    """List the options of a group that have a key of their own, beside those that all environments by name have."""
    line = re.compile(rf"\s*{re.escape(key.rpartition('.')[2])}:", re.MULTILINE)
    files = {option: CONFIG_DIR / group / f"{option}.yaml" for option in group_options(group)}
    found = [option for option, path in files.items() if path.exists() and line.search(path.read_text())]
    own = [name for name in TASKS if group == "env" and maker(TASKS[name]) is not make_env]
    return found + [name for name in own if key in env_description(name)]


def takes_by_kwargs(name: str, key: str) -> bool:
    """Whether an environment that is made by name has an option of its own, which is given as `env.kwargs.<key>`.

    Args:
        name: short name of a task, or anything else.
        key: of the option.
    """
    task = TASKS.get(name)
    if task is None or task.native is None or task.general is not None or maker(task) is not make_env:
        return False
    return key in inspect.signature(task.native).parameters and key not in (*_NO_OPTIONS_OF_ENVS, *task.fixed)
