"""From a sweep's command line to its trials, checked before anything starts."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engram.agents.base import Agent
from engram.agents.stored.loading import build_agent
from engram.command_line.axes import as_word, axis_values, split_words
from engram.command_line.config import Composed, compose_config
from engram.command_line.option_file import with_file
from engram.command_line.options import SweepOptions, TrainOptions
from engram.command_line.words import normal
from engram.common.checked import check_options
from engram.common.errors import UsageError
from engram.common.nested import dotted
from engram.common.say import say
from engram.envs.captured import check_capture
from engram.scripts.sweeps.grid import NAMING_AXES, Axes, Trial, make_trials, read_overrides
from engram.training.building import build_env, build_evaluation_env, check_device
from engram.training.sizes import matching_width

# Options of the sweep itself, which may be given without "sweep.".
OWN_OPTIONS = (
    "dir",
    "workers",
    "retries",
    "launcher",
    "address",
    "gpus_per_trial",
    "match_parameters",
    "trust_edited",
)
# Options that a sweep sets for each trial.
_SET_BY_SWEEP = ("resume", "resume_from", "logging.run_dir")
_GROUPS = ("agent", "core", "env")
_NO_PART_OF_A_SWEEP = (
    *_SET_BY_SWEEP,
    "config",
    "sweep",
    "tune",
    "seed",
    "seeds",
    "core",
    "env",
    "logging",
    "device",
    "capture",
    "threads",
    "profile",
    "trust_edited",
)


@dataclass(frozen=True)
class Plan:
    """What a sweep is to do.

    Attributes:
        directory: where its runs go.
        options: the group `sweep` of its configuration.
        axes: axis → values.
        trials: of the whole grid.
        common: options that all trials share, resolved, by dotted key; a sweep keeps them.
        device: of the trials.
        threads: of each trial.
    """

    directory: Path
    options: dict[str, Any]
    axes: Axes
    trials: list[Trial]
    common: dict[str, Any]
    device: str
    threads: int


def make_plan(words: Sequence[str]) -> Plan:
    """Read a sweep's command line.

    Args:
        words: `key=value`, several values making an axis.

    Raises:
        UsageError: one sentence about a wrong option.
    """
    words = [f"sweep.{word}" if word.partition("=")[0] in OWN_OPTIONS else word for word in words]
    words = with_file(words, "sweep")
    given, axes = split_words(words)
    own = {key: given.pop(key) for key in list(given) if key.partition(".")[0] == "sweep"}
    refuse_set_by_sweep(given, axes)
    base = compose_config("sweep", _words(own | given | {key: values[0] for key, values in axes.items()}))
    base = replace(base, values=check_options(base.values, SweepOptions))
    options = base.values["sweep"]
    axes = all_axes(axes, given, options["axes"], base)
    # Axes of one value are words of the command as well.
    given = {key: normal(value) for key, value in given.items() if key not in axes}
    check_device(base.values["device"])
    check_ray(options, base.values["device"])
    overrides = read_overrides(options["overrides"], axes)
    trials = make_trials(axes, given, overrides)
    check_trials(trials, axes)
    if options["match_parameters"] is not None:
        trials = with_matched_width(trials, options["match_parameters"])
    return Plan(
        _directory(base),
        options,
        axes,
        trials,
        common_options(base.values, given, axes),
        base.values["device"],
        base.values["threads"],
    )


def _words(options: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in options.items()]


def refuse_set_by_sweep(given: Mapping[str, str], axes: Axes) -> None:
    """Refuse what a sweep decides itself."""
    for key in (*given, *axes):
        if key.lstrip("+") == "seeds":
            raise UsageError(
                "The seeds of a sweep are values of an axis, but got seeds=…; write seed=0..7, or leave the sweep to "
                "engram train seeds=8."
            )
        if key.lstrip("+") in _SET_BY_SWEEP:
            raise UsageError(
                f"A sweep names and continues its runs itself, but got {key}=…; leave it out, "
                "and set sweep.dir=<folder>."
            )
    for key in axes:
        if key.partition(".")[0] in ("sweep", "experiment"):
            raise UsageError(
                f"An axis must be an option of training, but got several values for {key}; give it one value."
            )


def all_axes(axes: Axes, given: Mapping[str, str], named: Mapping[str, Any], base: Composed) -> Axes:
    """The axes: those that make a folder's name, the experiment's, and the command's, each ruling over the last."""
    chosen = {**base.choices, "seed": str(base.values["seed"])}
    merged = {key: [chosen[key]] for key in NAMING_AXES}
    for key, values in named.items():
        merged[key] = axis_values(key, values) or [normal(as_word(values))]
    for key, value in given.items():
        if key in merged:
            merged[key] = [normal(value)]
    return merged | axes


def check_ray(options: Mapping[str, Any], device: str) -> None:
    """Refuse a GPU that Ray would hide from the trials."""
    if options["launcher"] == "ray" and device != "cpu" and not options["gpus_per_trial"]:
        raise UsageError(
            f"Ray gives a trial the share of a GPU that it asks for, but device={device} came with gpus_per_trial=0; "
            "set gpus_per_trial=0.25, say."
        )


def check_trials(trials: Sequence[Trial], axes: Axes) -> None:
    """Build an agent for each value of each axis and each set of overrides, so that a wrong one stops nothing later."""
    seen: set[Any] = set()
    for trial in trials:
        parts = {*((key, trial.values[key]) for key in axes if key != "seed"), tuple(trial.settings.items())}
        if not parts <= seen:
            config = check_options(compose_config("sweep", trial.words).values, TrainOptions)
            agent = _small_agent(config)
            agent.check_run(config["num_envs"])
            if config["capture"] is True:
                check_capture(agent.why_no_captured_rollouts())
        seen |= parts
    folders = {trial.folder for trial in trials}
    if len(folders) < len(trials):
        raise UsageError(
            f"Every trial needs values of its own, but {len(trials)} trials fill {len(folders)} folders; "
            "name each value once."
        )


def _small_agent(config: dict[str, Any]) -> Agent:
    """The agent that a trial would train, on the CPU; refuses other environments for its evaluations."""
    env = build_env(config | {"device": "cpu"}, num_envs=1)
    try:
        if config["evaluation"]["env"] and (
            evaluated := build_evaluation_env(config | {"device": "cpu"}, env)
        ):
            evaluated.close()
        spaces = env.single_observation_space, env.single_action_space
        return build_agent(config, *spaces, "cpu", config["allow"])
    finally:
        env.close()


def with_matched_width(trials: Sequence[Trial], target: int) -> list[Trial]:
    """Give every trial the width at which its agent has about `target` parameters."""
    if any(key.lstrip("+") == "core.hidden_size" for trial in trials for key in trial.common | trial.values):
        raise UsageError("match_parameters chooses core.hidden_size, but got both; leave one of them out.")

    say(f"choosing core.hidden_size for {target:,} parameters", file=sys.stderr)

    @functools.cache
    def width(words: tuple[str, ...]) -> int:
        def count(hidden_size: int) -> int:
            config = compose_config("sweep", [*words, f"core.hidden_size={hidden_size}"]).values
            return _small_agent(config).sizes()["parameters"]

        return matching_width(count, target)

    matched = []
    for trial in trials:
        words = tuple(word for word in trial.words if not word.startswith("seed="))
        matched.append(replace(trial, settings={**trial.settings, "core.hidden_size": str(width(words))}))
    return matched


def _directory(base: Composed) -> Path:
    experiment = base.choices["experiment"]
    default = (
        Path(base.values["logging"]["runs_dir"])
        / "sweeps"
        / (experiment if experiment != "None" else "sweep")
    )
    return Path(base.values["sweep"]["dir"] or default)


def common_options(config: Mapping[str, Any], given: Mapping[str, str], axes: Axes) -> dict[str, Any]:
    """What all trials share, so that a later call of another meaning is noticed.

    A core's and an environment's own options depend on the axes: of these only what the user gave counts.
    """
    dropped = {*_NO_PART_OF_A_SWEEP, *(("agent",) if len(axes["agent"]) > 1 else ())}
    shared = {
        key: value
        for key, value in dotted(config).items()
        if key not in axes and key.partition(".")[0] not in dropped
    }
    own = {key: value for key, value in given.items() if key.lstrip("+~").partition(".")[0] in _GROUPS}
    return shared | own
