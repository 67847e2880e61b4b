"""From the words of `engram tune` to a search, checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engram.command_line.axes import split_words
from engram.command_line.config import Composed, compose_config
from engram.command_line.option_file import with_file
from engram.command_line.paths import PATH_OPTIONS
from engram.command_line.tune_options import TuneOptions
from engram.command_line.words import normal
from engram.common.checked import check_options
from engram.common.errors import UsageError
from engram.scripts.sweeps.grid import NAMING_AXES, Axes, Override, Trial, make_trials, read_overrides
from engram.scripts.sweeps.plan import OWN_OPTIONS as SWEEP_OPTIONS
from engram.scripts.sweeps.plan import (
    all_axes,
    check_ray,
    check_trials,
    common_options,
    refuse_set_by_sweep,
    with_matched_width,
)
from engram.scripts.tuning.space import Dimension, Range, Space, read_dimension
from engram.training.building import check_device

# Options of the search itself, which may be given without "tune."; `sampler` is one of training, too.
OWN_OPTIONS = (
    "trials",
    "pruner",
    "metric",
    "score",
    "direction",
    "startup_trials",
    "warmup_evaluations",
)
_SPACE = "tune.space."
# What scores are measured by, and on: the same for all configurations.
_SAME_FOR_ALL = (
    *("total_env_steps", "schedule_env_steps", "evaluation", "checkpoint", "logging", "device", "capture"),
    *("sampler", "actors", "resume_from"),
    *("threads", "profile", "experiment", "config", "allow", "trust_edited", "sweep", "tune"),
)


@dataclass(frozen=True)
class SearchPlan:
    """What a search is to do.

    Attributes:
        directory: where its runs go.
        options: the group `sweep` of its configuration.
        search: the group `tune`.
        space: what is searched, by option.
        axes: agent and core where they are not searched, and what every configuration is measured on: seeds and
            environments.
        given: options that all runs have.
        overrides: options of some runs alone.
        common: options that all runs share, resolved; a search keeps them.
        device: of the runs.
        threads: of each run.
    """

    directory: Path
    options: dict[str, Any]
    search: dict[str, Any]
    space: Space
    axes: Axes
    given: dict[str, str]
    overrides: list[Override]
    common: dict[str, Any]
    device: str
    threads: int

    def runs_of(self, values: Mapping[str, str]) -> list[Trial]:
        """The runs of a configuration, the first seed on every environment first.

        Args:
            values: of the options that are searched, as words.
        """
        axes = {**self.axes, **{key: [value] for key, value in values.items()}}
        trials = make_trials(axes, self.given, self.overrides)
        width = self.options["match_parameters"]
        return trials if width is None else with_matched_width(trials, width)


def make_search_plan(words: Sequence[str]) -> SearchPlan:
    """Read the words of `engram tune`.

    Args:
        words: `key=value`; a range or several values make an option one that is searched.

    Raises:
        UsageError: one sentence about a wrong option.
    """
    words = with_file([_full(word) for word in words], "tune")
    space, plain = _split(words)
    given, axes = split_words(plain)
    own = {key: given.pop(key) for key in list(given) if key.partition(".")[0] in ("sweep", "tune")}
    refuse_set_by_sweep(given, axes)
    first = {key: dimension.samples[0] for key, dimension in space.items()}
    first |= {key: values[0] for key, values in axes.items()}
    base = compose_config("tune", [f"{key}={value}" for key, value in (own | given | first).items()])
    values = check_options(base.values, TuneOptions)
    options, search = values["sweep"], values["tune"]
    space = _named_space(options["axes"], search["space"], given) | space
    measured = {key: one for key, one in options["axes"].items() if _is_measured(key) and key not in space}
    axes = all_axes(axes, given, measured, base)
    axes = {key: one for key, one in axes.items() if key not in space}
    given = {key: normal(value) for key, value in given.items() if key not in axes}
    _check_space(space, search)
    check_device(values["device"])
    check_ray(options, values["device"])
    searched = {key.lstrip("+"): list(one.samples) for key, one in space.items()}
    overrides = read_overrides(options["overrides"], {**axes, **searched})
    common = common_options(values, given, {**axes, **searched})
    place = _directory(base, values, axes)
    plan = SearchPlan(
        place, options, search, space, axes, given, overrides, common, values["device"], values["threads"]
    )
    _check_corners(plan)
    return plan


def _full(word: str) -> str:
    key = word.partition("=")[0]
    if word in ("sampler=tpe", "sampler=random", "sampler=grid"):
        raise UsageError(
            f"A search's sampler is tune.sampler, as training has one of its own, but got {word}; write tune.{word}."
        )
    groups = {"sweep": SWEEP_OPTIONS, "tune": OWN_OPTIONS}
    return next((f"{group}.{word}" for group, names in groups.items() if key in names), word)


def _is_measured(key: str) -> bool:
    """Whether several values of an option are what every configuration is measured on, and not searched."""
    return key.lstrip("+") == "seed" or key.lstrip("+").partition(".")[0] == "env"


def _split(words: Sequence[str]) -> tuple[Space, list[str]]:
    """What the words let a search choose, and the other words."""
    space: Space = {}
    plain = []
    for word in words:
        key, _, value = word.partition("=")
        if key.startswith(_SPACE):
            dimension = read_dimension(key.removeprefix(_SPACE), value)
            if dimension is None:
                raise UsageError(
                    f"A search chooses from several values or a range, but got {word}; write a,b or 1..8."
                )
            space[key.removeprefix(_SPACE)] = dimension
            continue
        is_plain = (
            key.lstrip("+") in PATH_OPTIONS or key.partition(".")[0] in ("sweep", "tune") or _is_measured(key)
        )
        if is_plain or (dimension := read_dimension(key, value)) is None:
            plain.append(word)
        else:
            space[key] = dimension
    return space, plain


def _named_space(axes: Mapping[str, Any], named: Mapping[str, Any], given: Mapping[str, str]) -> Space:
    """What an experiment lets a search choose: its axes but seeds and environments, and its space, which rules."""
    space: Space = {}
    for key, one in {**{key: one for key, one in axes.items() if not _is_measured(key)}, **named}.items():
        dimension = read_dimension(key, one)
        if key not in given and dimension is not None:
            space[key] = dimension
    return space


def _check_space(space: Mapping[str, Dimension], search: Mapping[str, Any]) -> None:
    if not space:
        raise UsageError(
            "A search needs an option to choose, but got none with a range or several values; give "
            "agent.learning_rate=1e-4..1e-2:log, say."
        )
    for key, one in space.items():
        if key.lstrip("+").partition(".")[0] in _SAME_FOR_ALL:
            raise UsageError(
                f"All configurations of a search have the same {key}, but got {key}={one}; give it one value."
            )
        if _is_measured(key):
            raise UsageError(
                f"Every configuration is measured on all seeds and environments, but tune.space has {key}; give their "
                "values as they are, seed=0..2."
            )
        if search["sampler"] == "grid" and isinstance(one, Range):
            raise UsageError(
                f"A grid has values one by one, but got {key}={one}; name them, {key}=a,b,c, or give "
                "tune.sampler=random."
            )


def _check_corners(plan: SearchPlan) -> None:
    """Build an agent for each choice and each end of a range, and hold the evaluations against the search."""
    first = {key: one.samples[0] for key, one in plan.space.items()}
    corners = [
        first,
        *({**first, key: value} for key, one in plan.space.items() for value in one.samples[1:]),
    ]
    trials = [
        trial
        for values in corners
        for trial in plan.runs_of(values)
        if trial.values["seed"] == plan.axes["seed"][0]
    ]
    check_trials(trials, {key: [] for key in trials[0].values})


def count_evaluations(plan: SearchPlan) -> int:
    """How many evaluations all runs of a configuration have.

    Raises:
        UsageError: if a run has none.
    """
    count = 0
    for trial in plan.runs_of({key: one.samples[0] for key, one in plan.space.items()}):
        if trial.values["seed"] == plan.axes["seed"][0]:
            values = compose_config("sweep", trial.words).values
            interval = values["evaluation"]["interval"]
            if interval is None:
                raise UsageError(
                    "A search scores runs by their evaluations, but evaluation.interval is null; give it a number."
                )
            count += -(-values["total_env_steps"] // interval)
    return count * len(plan.axes["seed"])


def _directory(base: Composed, values: Mapping[str, Any], axes: Axes) -> Path:
    if values["sweep"]["dir"] is not None:
        return Path(values["sweep"]["dir"])
    experiment = base.choices["experiment"]
    fixed = "-".join(axes[key][0] for key in NAMING_AXES[:2] if key in axes)
    folder = (
        Path(values["logging"]["runs_dir"]) / "searches" / (experiment if experiment != "None" else "search")
    )
    return folder / fixed if fixed else folder


def dimension_texts(space: Mapping[str, Dimension]) -> dict[str, str]:
    """A space as its words."""
    return {key: str(one) for key, one in space.items()}
