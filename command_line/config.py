"""Composing a configuration from YAML groups and the command line, with one-sentence errors."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from engram.command_line.groups import CONFIG_DIR, GROUPS, env_description, register_names
from engram.command_line.observation_words import is_observation_word, set_readings
from engram.command_line.option_errors import explain
from engram.command_line.other_agent import drop_options_of_other_agent, note_of
from engram.command_line.paths import expand_paths, quote_paths
from engram.command_line.word_checks import check_words
from engram.common.errors import UsageError
from engram.common.ids import foreign_package, malformed
from engram.envs.table import TASKS
from engram.envs.wrappers import WRAPPING

_FREE = re.compile(rf"env\.(kwargs|reset_options|{'|'.join(WRAPPING)})[.=]|evaluation\.env[.=]")
_ONE_AT_A_TIME = threading.Lock()  # Hydra's state is the process's


@dataclass(frozen=True)
class Composed:
    """A configuration as plain values.

    Attributes:
        values: nested dicts, lists and values.
        choices: the chosen option of every config group (`core` → `s5`).
        notes: sentences about what the command should know.
    """

    values: dict[str, Any]
    choices: dict[str, str]
    notes: tuple[str, ...] = ()


def compose_config(name: str, overrides: Sequence[str]) -> Composed:
    """Compose `configs/<name>.yaml` with overrides such as `core=gru` or `seed=1`.

    Args:
        name: of the top-level YAML.
        overrides: `key=value` words.

    Raises:
        UsageError: one sentence about a wrong option.
    """
    return _compose(name, overrides, may_lack=False)


def compose_plain(name: str, overrides: Sequence[str]) -> Composed:
    """Compose as `compose_config` does, but leave `???` where a value must still be given."""
    return _compose(name, overrides, may_lack=True)


def _compose(name: str, overrides: Sequence[str], may_lack: bool) -> Composed:
    register_names()
    check_words(overrides, name)
    readings = [word for word in overrides if is_observation_word(word)]
    overrides = [word for word in overrides if not is_observation_word(word)]
    try:
        with _configs():
            words = [_open(word) for word in quote_paths(overrides)]
            config = compose(config_name=name, overrides=words, return_hydra_config=True)
        choices = dict(config.hydra.runtime.choices)
        with open_dict(config):
            del config["hydra"]
        missing = sorted(OmegaConf.missing_keys(config))
        if missing and not may_lack:
            raise UsageError(f"{missing[0]} has no default, so it must be given: {missing[0]}=<value>.")
        plain = to_plain(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(explain(str(error), name, overrides, _known_keys(name, overrides))) from error
    values = set_readings(expand_paths(plain), readings)
    _drop_idle_action(values, str(choices.get("env")), overrides)
    _allow_named_environment(values)
    notes = _fit_to_agent(values, name, overrides)
    return Composed(values, {group: str(choices.get(group)) for group in GROUPS}, notes)


@contextmanager
def _configs() -> Iterator[None]:
    """Within the block Hydra composes from our YAMLs; whoever uses it as well finds it as it was."""
    with _ONE_AT_A_TIME:
        hydra = GlobalHydra.instance().hydra
        GlobalHydra.instance().clear()
        try:
            with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
                yield
        finally:
            GlobalHydra.instance().hydra = hydra


def _fit_to_agent(values: dict[str, Any], name: str, overrides: Sequence[str]) -> tuple[str, ...]:
    """Let an experiment be given with another agent than its own; returns a note of what that one does not have."""
    chosen = dict(word.split("=", 1) for word in overrides if word.startswith(("agent=", "experiment=")))
    if len(chosen) < 2 or chosen["agent"] == "custom":
        return ()
    experiment = f"experiment={chosen['experiment']}"
    own = _plain(name, [experiment])
    others = [word for word in overrides if word.partition("=")[0] in GROUPS and word != experiment]
    other = _plain(name, others)
    if own is None or other is None or own["agent"].get("_target_") == other["agent"].get("_target_"):
        return ()
    dropped = drop_options_of_other_agent(values, _keys(other), overrides)
    return (note_of(dropped, chosen["agent"], chosen["experiment"]),) if dropped else ()


def _drop_idle_action(values: dict[str, Any], env: str, overrides: Sequence[str]) -> None:
    """Take `env.action` from an environment that has no such option, where only a preset gave it.

    The preset of a protocol says how Box actions are treated for all of its tasks, and may be given with any other.
    """
    has_option = env == "gymnasium" or (env in TASKS and "action" in env_description(env))
    is_given = any(word.lstrip("+").partition("=")[0] == "env.action" for word in overrides)
    if not has_option and not is_given and isinstance(values.get("env"), dict):
        values["env"].pop("action", None)


def _allow_named_environment(values: dict[str, Any]) -> None:
    """Allow the package of an environment that the command itself names by its id, which a stored run's does not."""
    env, allow = values.get("env"), values.get("allow")
    id = env.get("id") if isinstance(env, dict) else None
    if not isinstance(allow, list) or malformed(id):
        return
    package = foreign_package(str(id))
    if package is not None and package not in allow:
        values["allow"] = [*allow, package]


def to_plain(config: DictConfig) -> dict[str, Any]:
    """Turn a composed configuration into plain dicts, lists and values."""
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _open(word: str) -> str:
    """Let what an environment alone knows, or may be put around it, be given as any other option, without `++`."""
    return f"++{word}" if _FREE.match(word) else word


def _known_keys(name: str, overrides: Sequence[str]) -> list[str]:
    """Every option that exists with the groups chosen, by its dotted key."""
    return _keys(_plain(name, [word for word in overrides if word.partition("=")[0] in GROUPS]))


def _plain(name: str, words: Sequence[str]) -> Any:
    """What words of groups alone compose, interpolations unread; None if that fails."""
    try:
        with _configs():
            return OmegaConf.to_container(compose(config_name=name, overrides=list(words)))
    except HydraException:
        return None


def _keys(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return []
    keys = []
    for key, value in node.items():
        keys += [f"{prefix}{key}", *_keys(value, f"{prefix}{key}.")]
    return keys
