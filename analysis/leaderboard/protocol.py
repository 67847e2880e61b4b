"""What has to be the same for two cores to be compared: agent, task and settings, all but the core's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engram.analysis.groups import SAME_TASK
from engram.analysis.names import flatten, learning_config, option_of
from engram.analysis.runs import Run
from engram.common.printable import short_name
from engram.run_files.fixed_config import MACHINE

# Of the core, of the task (compared by itself), of the budget (which is stated), and of how a run was asked for.
_NOT_SETTINGS = (
    "core",
    "env",
    "evaluation.env",
    "schedule_env_steps",
    "config",
    "seeds",
    "sweep",
    "tune",
    *MACHINE,
)
# Beyond, a number is text.
_LARGEST = 1e100

Defaults = Callable[[str], Mapping[str, Any]]
"""Takes the option of an agent; gives the `learning_options` that it composes, none for one that is no option."""


@dataclass(frozen=True)
class Protocol:
    """How a run was made, but for its core.

    Attributes:
        agent: its option.
        settings: dotted options that decide how it learns and is evaluated, as text; the free ones are left out.
        task: the environment's options, and those it is evaluated with, as text.
        budget: environment steps that the run was to have.
        free: dotted options that the core may choose for itself, as text.
        stored: the names of those settings that the run itself says; the others are defaults.
    """

    agent: str
    settings: Mapping[str, str]
    task: Mapping[str, str]
    budget: int
    free: Mapping[str, str]
    stored: frozenset[str]

    @property
    def board(self) -> tuple[Any, ...]:
        """What all runs of a board share."""
        return self.agent, tuple(sorted(self.settings.items()))

    @property
    def task_key(self) -> tuple[Any, ...]:
        """The task as a key."""
        return tuple(sorted(self.task.items()))


def protocol_of(run: Run, defaults: Defaults, free: Sequence[str]) -> Protocol:
    """Read how a run was made.

    An option that it does not have, as it was made by an earlier version, has this version's default.

    Args:
        run: the run.
        defaults: of its agent.
        free: dotted options that every core may choose for itself.
    """
    agent, stored = option_of(run, "agent"), learning_config(run)
    groups = {key.rpartition(".")[0] for key in stored}
    usual = {key: value for key, value in defaults(agent).items() if key not in groups}
    texts = {
        key: value_text(value)
        for key, value in (usual | stored).items()
        if not _is_one_of(key, _NOT_SETTINGS)
    }
    own = {key: text for key, text in texts.items() if _is_one_of(key, free)}
    settings = {key: text for key, text in texts.items() if key not in own}
    return Protocol(agent, settings, _task(run), _budget(run), own, frozenset(stored))


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """The options in which two descriptions differ: name, value of the first, value of the second; `none` for none."""
    keys = sorted({*ours, *theirs})
    pairs = [(key, ours.get(key, "none"), theirs.get(key, "none")) for key in keys]
    return [(key, mine, other) for key, mine, other in pairs if mine != other]


def value_text(value: Any) -> str:
    """A value as it is compared and shown: numbers that are equal are one text, however they were written."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return (
        f"{value:.12g}"
        if isinstance(value, int | float) and abs(value) < _LARGEST
        else short_name(str(value))
    )


def evaluated_on(task: Mapping[str, str]) -> str:
    """The options that a task is evaluated with where they are others than it is learnt with; empty for none."""
    prefix = "evaluation.env."
    return " ".join(
        f"{key.removeprefix(prefix)}={task[key]}" for key in sorted(task) if key.startswith(prefix)
    )


def _is_one_of(key: str, names: Sequence[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in names)


def _budget(run: Run) -> int:
    """The environment steps that a run was to have; what it has where it does not say."""
    stored = run.config.get("total_env_steps")
    is_number = isinstance(stored, int | float) and not isinstance(stored, bool) and 0 < stored < _LARGEST
    return int(stored) if is_number else int(run.steps[-1])  # type: ignore[arg-type] # of a number


def _task(run: Run) -> dict[str, str]:
    env = {key: value for key, value in flatten(run.part("env").arguments).items() if key not in SAME_TASK}
    evaluated = run.config.get("evaluation") or {}
    other = (
        flatten({"evaluation": {"env": evaluated.get("env") or {}}}) if isinstance(evaluated, dict) else {}
    )
    found = {key: value for key, value in (env | other).items() if value is not None}
    return {key: value_text(value) for key, value in found.items() if key != "evaluation.env"}
