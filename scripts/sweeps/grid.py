"""The grid of a sweep: every combination of its axes' values, as a trial with a folder and a command of its own."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engram.command_line.axes import as_word
from engram.command_line.words import normal
from engram.common.errors import UsageError

# Always axes, if of one value: they make a run's folder.
NAMING_AXES = ("agent", "core", "env", "seed")
Axes = dict[str, list[str]]


@dataclass(frozen=True)
class Override:
    """Options that only some trials get.

    Attributes:
        when: axis → the values with which it applies.
        options: key → value.
    """

    when: dict[str, list[str]]
    options: dict[str, str]

    def applies(self, values: Mapping[str, str]) -> bool:
        """Whether a trial with these values of the axes gets the options."""
        return all(values[axis] in wanted for axis, wanted in self.when.items())


@dataclass(frozen=True)
class Trial:
    """One run of a sweep.

    Attributes:
        values: axis → value.
        settings: options that it has beside the common ones, from overrides and matching.
        common: options that every trial has.
    """

    values: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)
    common: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where it lies in the sweep's folder: `<env>/<agent>-<core>/<seed>`, then the values of other axes."""
        values = self.values
        others = [f"{key.lstrip('+')}-{value}" for key, value in values.items() if key not in NAMING_AXES]
        name = "-".join([values["seed"], *others])
        readable = re.sub(r"[^\w.-]", "_", name)
        if readable != name or len(readable) > 100:
            readable = f"{readable[:80]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        return Path(values["env"]) / f"{values['agent']}-{values['core']}" / readable

    @property
    def words(self) -> list[str]:
        """Its options of `engram train`, the folder apart."""
        return [f"{key}={value}" for key, value in (self.common | self.settings | self.values).items()]


def read_overrides(described: Any, axes: Axes) -> list[Override]:
    """Read `sweep.overrides`.

    Args:
        described: a list of `{when: {axis: value or values}, set: [key=value, …]}`.
        axes: of the sweep.

    Raises:
        UsageError: if it is anything else, or names an option that is no axis.
    """
    overrides = []
    for entry in described if isinstance(described, list) else [described]:
        if (
            not isinstance(entry, dict)
            or entry.keys() != {"when", "set"}
            or not isinstance(entry["when"], dict)
            or not isinstance(entry["set"], list)
            or not all(isinstance(word, str) and "=" in word for word in entry["set"])
        ):
            raise UsageError(
                "sweep.overrides must be a list of {when: {axis: value}, set: [key=value]}, but got "
                f"{entry!r}; see configs/experiment/core_comparison.yaml."
            )
        unknown = sorted(entry["when"].keys() - axes.keys())
        if unknown:
            raise UsageError(
                f"An override's when must name axes, {', '.join(axes)}, but got {unknown[0]!r}; give it several "
                "values, or leave it out."
            )
        when = {
            axis: [normal(as_word(value)) for value in (wanted if isinstance(wanted, list) else [wanted])]
            for axis, wanted in entry["when"].items()
        }
        pairs = (word.partition("=") for word in entry["set"])
        overrides.append(Override(when, {key: normal(value) for key, _, value in pairs}))
    return overrides


def make_trials(axes: Axes, common: Mapping[str, str], overrides: Sequence[Override]) -> list[Trial]:
    """Make the trials of a grid, the first seed of everything first.

    Args:
        axes: axis → values, `agent`, `core`, `env` and `seed` among them.
        common: options of every trial, given by the user; they rule over overrides.
        overrides: applied in order, a later one over an earlier one; axes rule over them.
    """
    order = ["seed", *(axis for axis in axes if axis != "seed")]
    trials = []
    for combination in itertools.product(*(axes[axis] for axis in order)):
        by_axis = dict(zip(order, combination, strict=True))
        values = {axis: by_axis[axis] for axis in axes}
        settings: dict[str, str] = {}
        for override in overrides:
            if override.applies(values):
                settings |= override.options
        given = {key.lstrip("+") for key in (*common, *values)}
        settings = {key: value for key, value in settings.items() if key.lstrip("+") not in given}
        trials.append(Trial(values, settings, dict(common)))
    return trials
