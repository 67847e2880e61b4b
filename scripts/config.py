"""Composing a configuration from YAML groups and the command line, with one-sentence errors."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

import configs
import envs
from scripts.errors import UsageError
from scripts.paths import expand_paths, quote_paths

CONFIG_DIR = Path(configs.__file__).resolve().parent
GROUPS = ("agent", "core", "env", "size", "experiment")


@functools.cache
def register_names() -> None:
    """Register the options that differ only by a name, so that each needs no file of its own."""
    store = ConfigStore.instance()
    for option in _named_envs():
        suite, name = option.split("/")
        description = {
            "_target_": f"envs.make_{suite}",
            "_partial_": True,
            "name": name,
            "kwargs": {},
            "backend": "native",
            "vectorization": None,
            "action": None,
            "max_episode_steps": None,
            "render_mode": None,
        }
        store.store(group=f"env/{suite}", name=name, node=description, package="env")
    for group in ("agent", "core", "env"):
        # A class of the user's own: core=custom core._target_=my_package.MyCore +core.hidden_size=64
        store.store(group=group, name="custom", node={"_target_": "???", "_partial_": True})


def _named_envs() -> list[str]:
    """The environments that differ only by a name, as `<suite>/<name>`; `envs.make_<suite>` makes them."""
    popgym = (*envs.popgym_names(), *envs.popgym_families())
    return [
        *(f"popgym/{name}" for name in popgym),
        *(f"memory_maze/{name}" for name in envs.memory_maze_names()),
    ]


@dataclass(frozen=True)
class Composed:
    """A configuration as plain values.

    Attributes:
        values: nested dicts, lists and values.
        choices: the chosen option of every config group (`core` → `s5`).
    """

    values: dict[str, Any]
    choices: dict[str, str]


def compose_config(name: str, overrides: Sequence[str]) -> Composed:
    """Compose `configs/<name>.yaml` with overrides such as `core=gru` or `seed=1`.

    Args:
        name: of the top-level YAML.
        overrides: `key=value` words.

    Raises:
        UsageError: one sentence about a wrong option.
    """
    register_names()
    for word in overrides:
        _check_word(word, name)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            words = [_open(word) for word in quote_paths(overrides)]
            config = compose(config_name=name, overrides=words, return_hydra_config=True)
        choices = dict(config.hydra.runtime.choices)
        with open_dict(config):
            del config["hydra"]
        missing = sorted(OmegaConf.missing_keys(config))
        if missing:
            raise UsageError(f"{missing[0]} has no default, so it must be given: {missing[0]}=<value>.")
        OmegaConf.resolve(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(_one_sentence(error, name, overrides)) from error
    return Composed(expand_paths(to_plain(config)), {group: str(choices.get(group)) for group in GROUPS})


def to_plain(config: DictConfig) -> dict[str, Any]:
    """Turn a composed configuration into plain dicts, lists and values."""
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def group_options(group: str) -> list[str]:
    """List the options of a config group, files and registered names alike."""
    directory = CONFIG_DIR / group
    options = {path.relative_to(directory).with_suffix("").as_posix() for path in directory.rglob("*.yaml")}
    if group == "env":
        options |= set(_named_envs())
    if group in ("agent", "core", "env"):
        options.add("custom")
    return sorted(options)


def help_text(name: str) -> str:
    """Describe every option of `configs/<name>.yaml`: its groups with their choices, then the file."""
    command = name.replace("_", " ", 1)  # benchmark_ppo: scripts.benchmark ppo
    lines = [f"usage: python -m scripts.{command} [group=option] [key=value] …", ""]
    text = (CONFIG_DIR / f"{name}.yaml").read_text()
    if "defaults:" in text:
        for group in GROUPS:
            lines += [f"{group}=", *(f"    {option}" for option in group_options(group)), ""]
        lines += [
            "Options of an agent, a core or an environment: see its file in configs/, e.g. core.hidden_size=64.",
            "",
        ]
    return "\n".join([*lines, f"configs/{name}.yaml:", "", text])


def _check_word(word: str, name: str) -> None:
    """Refuse a word that Hydra would misread or describe badly."""
    key, equals, value = word.partition("=")
    if not word.startswith("~") and (not equals or not key.strip("+")):
        raise UsageError(f"An option is written key=value, but got {word!r}; --help lists all options.")
    if key in ("agent", "core", "env") and name != "evaluate" and value in ("", "null"):
        raise UsageError(
            f"{key} must be one of {_brief(group_options(key), value)}, but got {value!r}; "
            f"python -m scripts.{name} --help lists all."
        )


def _open(word: str) -> str:
    """Let what an environment alone knows, `env.kwargs`, be given as any other option, without Hydra's `++`."""
    return f"++{word}" if re.match(r"env\.kwargs[.=]", word) else word


def _one_sentence(error: Exception, name: str, overrides: Sequence[str]) -> str:
    """Say what Hydra found in one sentence: rule, expected, got, what to do."""
    message = str(error)
    unknown_option = re.search(r"Could not find '(\w+)/([^']+)'", message)
    if unknown_option:
        group, option = unknown_option.groups()
        options = group_options(group)
        return (
            f"{group} must be one of {_brief(options, option)}, but got {option!r}; "
            f"python -m scripts.{name} --help lists all."
        )
    unknown_key = re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", message)
    if unknown_key:
        key = unknown_key.group(1) or unknown_key.group(2)
        if key == "size":
            word = next(word for word in overrides if word.startswith("size="))
            return (
                f"A size belongs to the agents r2i and dreamerv3, but got {word!r} without one; leave it out."
            )
        nearest = _nearest_key(key, name, overrides)
        hint = f"did you mean {nearest!r}? " if nearest else ""
        if not nearest and key.partition(".")[0] in GROUPS:
            hint = f"an argument that its file does not list is added by +{key}=value; "
        return f"An option must exist in the configuration, but {key!r} does not; {hint}--help lists all options."
    interpolation = re.search(r"Interpolation key '([^']+)' not found", message)
    if interpolation:
        return (
            f"A reference ${{…}} must name an option, but {interpolation.group(1)!r} is none; "
            "write the value itself, or another name."
        )
    first = " ".join(message.split("See https://hydra.cc")[0].split())
    return (
        f"Options must be written in Hydra's grammar, key=value, but they could not be read ({first[:300]}); "
        "put words with special characters in quotes, key='\"value\"'."
    )


def _brief(options: list[str], got: str) -> str:
    """All options if there are few, else the nearest ones."""
    if len(options) <= 12:
        return ", ".join(options)
    nearest = difflib.get_close_matches(got, options, n=4, cutoff=0.4) or options[:4]
    return f"{', '.join(nearest)} … ({len(options)} in all)"


def _nearest_key(key: str, name: str, overrides: Sequence[str]) -> str | None:
    """The existing option that is spelt most like `key`, given the groups chosen."""
    choices = [word for word in overrides if word.partition("=")[0] in GROUPS]
    try:
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            config = compose(config_name=name, overrides=choices)
    except HydraException:
        return None
    matches = difflib.get_close_matches(key, list(_keys(OmegaConf.to_container(config))), n=1, cutoff=0.6)
    return matches[0] if matches else None


def _keys(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return []
    keys = []
    for key, value in node.items():
        keys += [f"{prefix}{key}", *_keys(value, f"{prefix}{key}.")]
    return keys
