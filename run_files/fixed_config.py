"""The part of a run's configuration that a continued run keeps, and its digest, which every checkpoint holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

Plain = bool | int | float | str

# A run's machine, what it reports, and when it saves: nothing of what it learns.
MACHINE = (
    *(
        "resume",
        "resume_from",
        "device",
        "capture",
        "threads",
        "profile",
        "logging",
        "checkpoint",
        "allow",
        "trust_edited",
    ),
    *("actors.count", "actors.address"),
)
# How far and how fast it learns from here on.
LEARNING = (
    "total_env_steps",
    "schedule_env_steps",
    "agent.learning_rate",
    "agent.learning_rate_schedule",
    "agent.core_learning_rate",
    "agent.actor_learning_rate",
    "agent.critic_learning_rate",
    "agent.temperature_learning_rate",
)
# Options that runs of earlier versions did not store: what they mean there.
LATER: dict[str, Any] = {
    "evaluation.max_episode_steps": 10_000,
    "evaluation.env": {},
    "curriculum": {"argument": None, "values": [], "raise_at_return": None, "episodes": 100},
    "sampler": "local",
    "actors.count": 2,
    "actors.mode": "lockstep",
    "actors.lag": None,
    "actors.address": None,
    "checkpoint.interval_minutes": 5,
    "logging.wandb": {"project": None, "entity": None, "group": None, "mode": None},
    "logging.mlflow": {"tracking_uri": None, "experiment": None},
}
# The same of some environments alone, whose classes say what they mean.
_LATER_OF_ENVIRONMENTS: dict[str, Any] = {
    "env.wrappers": [],
    "env.text": "drop",
    "env.text_size": 64,
    "env.reset_options": {},
}
# Groups that those runs do not have at all: where nothing of one is left it is not there.
LATER_GROUPS = ("actors",)


def fixed_part(
    config: Mapping[str, Any], changeable: Collection[str] = (*MACHINE, *LEARNING)
) -> dict[str, Any]:
    """Take out of a configuration what may change while its run goes on.

    Args:
        config: nested mappings; not changed.
        changeable: what is taken out, by dotted name.

    Returns:
        The rest, without options that have the value which they mean in runs of before they existed.
    """
    return _without(config, changeable, "")


def digest(config: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of `fixed_part`: runs of one digest learn the same."""
    text = json.dumps(fixed_part(config), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def plain_options(config: Mapping[str, Any]) -> dict[str, Plain]:
    """What a run learns by, by dotted name: numbers, truths and words, everything else as its text.

    Args:
        config: nested mappings.
    """
    return dict(_plain(fixed_part(config, MACHINE), ""))


def _plain(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Plain]]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _plain(value, f"{prefix}{key}.")
        else:
            yield (
                f"{prefix}{key}",
                value if isinstance(value, bool | int | float | str) else json.dumps(value),
            )


def _without(node: Mapping[str, Any], names: Collection[str], prefix: str) -> dict[str, Any]:
    rest, later = {}, LATER | _LATER_OF_ENVIRONMENTS
    for key, value in node.items():
        name = f"{prefix}{key}"
        if name in names or (name in later and later[name] == value):
            continue
        part = _without(value, names, f"{name}.") if isinstance(value, Mapping) else value
        if part != {} or name not in LATER_GROUPS:
            rest[str(key)] = part
    return rest
