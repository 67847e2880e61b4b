"""What a comparison reads of a run's configuration and small files: each value checked here, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from engram.analysis.folders import Folder
from engram.common.annotations import describe, fitting_value
from engram.common.option_types import Fitting, Group, Seed, Word
from engram.common.printable import printable
from engram.run_files.bounded_text import read_mapping
from engram.run_files.names import VERSIONS_FILE
from engram.run_files.run_folder import read_config


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e100


_FINITE = Annotated[float, Fitting("a finite number", _is_finite, "1.0")]


@dataclass(frozen=True)
class Description:
    """What a run was built of, under `agent`, `core` or `env`.

    Attributes:
        target: the class or function.
        name: of the task, if it is one of several that a function makes.
        id: Gymnasium's.
        arguments: all of them, as stored.
    """

    target: str
    name: str | None
    id: str | None
    arguments: dict[str, Any]


@dataclass(frozen=True)
class StoredConfig:
    """A run's configuration.

    Attributes:
        values: as stored, plain, in which anything but what follows may be of any kind.
        seed: of the whole run.
        parts: what `agent`, `core` and `env` describe.
        stop_at_return: the evaluation at which it counts as solved; None for none.
    """

    values: dict[str, Any]
    seed: int
    parts: Mapping[str, Description]
    stop_at_return: float | None


def stored_config(folder: Folder) -> StoredConfig:
    """Read a run's configuration.

    Raises:
        FileNotFoundError: if it has none.
        ValueError: if it is damaged, or a value is of another kind than it must be; names it.
    """
    values = read_config(folder)
    evaluation = _checked(values, "evaluation", Group | None) or {}
    return StoredConfig(
        values,
        _checked(values, "seed", Seed),
        {group: _description(values, group) for group in ("agent", "core", "env")},
        _checked(evaluation, "stop_at_return", _FINITE | None, "evaluation."),
    )


def _description(config: Mapping[str, Any], group: str) -> Description:
    arguments = _checked(config, group, Group)
    name, env_id = (
        _checked(arguments, key, Word | None, f"{group}.") if group == "env" else None
        for key in ("name", "id")
    )
    return Description(_checked(arguments, "_target_", Word, f"{group}."), name, env_id, arguments)


def _checked(node: Mapping[str, Any], key: str, annotation: Any, prefix: str = "") -> Any:
    """The value under a key, None where there is none.

    Raises:
        ValueError: if it is not what it must be.
    """
    value = node.get(key)
    try:
        return fitting_value(value, annotation)
    except ValueError as error:
        shown = repr(value)
        shown = shown if len(shown) < 60 else f"{shown[:57]}..."
        raise ValueError(
            f"{prefix}{key} in a config.yaml must be {describe(annotation)}, but is {shown}; the file is damaged"
        ) from error


def stored_versions(folder: Folder) -> dict[str, str]:
    """Read which versions of packages, code and device a run had.

    Raises:
        ValueError: if the file is damaged.
    """
    versions = read_mapping(folder / VERSIONS_FILE)
    if not all(isinstance(version, str) for version in versions.values()):
        raise ValueError(f"{VERSIONS_FILE} is damaged")
    return {printable(name): printable(version) for name, version in versions.items()}
