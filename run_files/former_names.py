"""Names that runs of before stored otherwise, whose archives are still read.

Until version 0.2 packages stood at the top, POPGym and Memory Maze each had a function that made its tasks, and options
had other names.
"""

from __future__ import annotations

from importlib.resources.abc import Traversable
from typing import Any

from engram.run_files.bounded_text import read_mapping
from engram.run_files.names import VERSIONS_FILE

_FORMER_PACKAGES = ("agents", "envs", "memory_cores")
_FORMER_OPTIONS = {  # group → the name then → the name now
    "evaluation": {"every": "interval"},
    "checkpoint": {"every": "interval", "every_minutes": "interval_minutes", "keep_every": "keep_interval"},
    "agent": {
        "log_every": "log_interval",  # of its replay
        "horizon": "imagination_horizon",
        "return_lambda": "gae_lambda",
        "model_clip": "max_grad_norm",
        "actor_clip": "actor_max_grad_norm",
        "critic_clip": "critic_max_grad_norm",
    },
    "core": {"horizon": "max_time_scale"},
}
_FORMER_MAKERS = {"envs.make_popgym": "popgym", "envs.make_memory_maze": "memory_maze"}
# The options that runs chose before they stored them, by group; their folders are named after these.
FORMER_CHOICES = {
    "agent": ("dreamerv3", "ppo", "r2i"),
    "core": tuple("block_gru ffm frame_stack gru gtrxl hcam lstm mlp r2i s5 s5rl stack".split()),
}


def is_of_before(run_dir: Traversable) -> bool:
    """Whether a run was begun by a version that named the packages at the top; false where it does not say."""
    path = run_dir / VERSIONS_FILE
    try:
        version = read_mapping(path).get("engram-rl") if path.is_file() else None
    except (OSError, ValueError):
        return False  # it is for whoever needs the versions to say so
    return isinstance(version, str) and version.startswith("0.1.")


def has_former_names(node: Any) -> bool:
    """Whether a stored description names classes or functions as versions before 0.2 did.

    Args:
        node: nested mappings, lists and plain values.
    """
    if isinstance(node, list):
        return any(map(has_former_names, node))
    if not isinstance(node, dict):
        return False
    package = str(node.get("_target_")).partition(".")[0]
    return package in _FORMER_PACKAGES or any(map(has_former_names, node.values()))


def refuse_former_replay(run_dir: Traversable, config: dict[str, Any]) -> None:
    """Refuse to build the agent of a run of before that learnt from a replay: its losses and its replay are others now.

    Args:
        run_dir: the run's folder.
        config: its configuration, with present names.

    Raises:
        ValueError: names the version that can.
    """
    if is_of_before(run_dir) and "replay" in config["agent"]:
        raise ValueError(
            "A run with a replay is loaded and continued by the version that wrote it, but "
            f"{run_dir} was written by engram-rl 0.1: use that version, or train anew; engram plot reads it."
        )


def with_present_names(node: Any) -> Any:
    """A stored description with the present names of Engram's own classes, functions and tasks.

    Args:
        node: nested mappings, lists and plain values; not changed.
    """
    if isinstance(node, list):
        return [with_present_names(part) for part in node]
    if not isinstance(node, dict):
        return node
    named = {key: with_present_names(part) for key, part in node.items()}
    target = named.get("_target_")
    if isinstance(target, str) and target in _FORMER_MAKERS:
        named |= {"_target_": "engram.envs.make_env", "name": f"{_FORMER_MAKERS[target]}/{named.get('name')}"}
    elif isinstance(target, str) and target.partition(".")[0] in _FORMER_PACKAGES:
        named["_target_"] = f"engram.{target}"
    return named


def with_present_options(config: dict[str, Any]) -> dict[str, Any]:
    """A stored configuration with the present names of its options; those of a replay are its agent's.

    Args:
        config: nested mappings; not changed.
    """
    if isinstance(config.get("agent"), dict) and "replay" in config:
        config = {**config, "agent": {**config["agent"], "replay": config["replay"]}}
        del config["replay"]
    return {group: _renamed(node, _FORMER_OPTIONS.get(group, {})) for group, node in config.items()}


def with_present_logging(config: dict[str, Any]) -> dict[str, Any]:
    """A stored configuration in which `logging.to` lists what a run logs to, once `logging.tensorboard: true`.

    Args:
        config: nested mappings; not changed.
    """
    logging = config.get("logging")
    if not isinstance(logging, dict) or "tensorboard" not in logging or "to" in logging:
        return config
    rest = {key: value for key, value in logging.items() if key != "tensorboard"}
    return config | {"logging": rest | {"to": ["tensorboard"] if logging["tensorboard"] else []}}


def _renamed(node: Any, names: dict[str, str]) -> Any:
    """Rename keys in a mapping and those below it: a core may be part of another."""
    if not isinstance(node, dict):
        return node
    return {names.get(key, key): _renamed(value, names) for key, value in node.items()}
