"""The results of exams, put together: a line for every task and core, means over seeds."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engram.instruments.exam.task import ABILITIES

Result = Mapping[str, Any]


class Cell(NamedTuple):
    """One ability of one core on one task.

    Attributes:
        value: mean over seeds.
        standard_error: over seeds; of a single seed, over what was asked.
        chance: what guessing is worth.
        seeds: how many.
    """

    value: float
    standard_error: float
    chance: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.value:.3f} ± {self.standard_error:.3f}"


class Line(NamedTuple):
    """One core on one task.

    Attributes:
        task: by its name.
        group: the core, and whatever else differs between the results of it.
        cells: by ability; those that the task does not ask for are left out.
        curve: mean over seeds of the share of imagined rows that are right, from the first one on.
        loss: mean over seeds of the world model's last logged losses, summed.
        parameters: of the agent.
        seconds: mean over seeds.
    """

    task: str
    group: str
    cells: dict[str, Cell]
    curve: list[float]
    loss: float
    parameters: int
    seconds: float


def mean_cell(scores: Sequence[Mapping[str, float]]) -> Cell:
    """Put the scores of seeds together: their mean, with standard error √(Σ (x - mean)² / (n (n - 1)))."""
    values = [score["value"] for score in scores]
    count = len(values)
    error = scores[0]["standard_error"] if count == 1 else statistics.stdev(values) / math.sqrt(count)
    return Cell(statistics.fmean(values), error, statistics.fmean(s["chance"] for s in scores), count)


def make_lines(results: Sequence[Result]) -> list[Line]:
    """Put results together, in the order in which their tasks and groups first come."""
    names = _names(results)
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result, name in zip(results, names, strict=True):
        groups[result["task"], name].append(result)
    tasks = dict.fromkeys(task for task, _ in groups)
    return [_line(key, groups[key]) for task in tasks for key in groups if key[0] == task]


def table_lines(results: Sequence[Result]) -> list[str]:
    """Write a Markdown table for every task: a line of what guessing is worth, then one for every group."""
    lines = make_lines(results)
    text: list[str] = []
    for task in dict.fromkeys(line.task for line in lines):
        of_task = [line for line in lines if line.task == task]
        abilities = [name for name in ABILITIES if name in of_task[0].cells]
        text += ["", f"{task}", "", f"| core | {' | '.join(abilities)} | seeds | seconds |"]
        text.append(f"|{' --- |' * (len(abilities) + 3)}")
        chance = [f"{of_task[0].cells[name].chance:.3f}" for name in abilities]
        text.append(f"| chance | {' | '.join(chance)} | | |")
        for line in of_task:
            cells = [str(line.cells[name]) for name in abilities]
            seeds = line.cells[abilities[0]].seeds
            text.append(f"| `{line.group}` | {' | '.join(cells)} | {seeds} | {line.seconds:.0f} |")
    return text


def csv_rows(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """A row for every ability of every line."""
    return [
        {
            "task": line.task,
            "core": line.group,
            "ability": name,
            **cell._asdict(),
            "loss": line.loss,
            "parameters": line.parameters,
            "seconds": line.seconds,
        }
        for line in lines
        for name, cell in line.cells.items()
    ]


def _line(key: tuple[str, str], results: Sequence[Result]) -> Line:
    cells = {
        name: mean_cell([result["scores"][name] for result in results])
        for name in ABILITIES
        if name in results[0]["scores"]
    }
    curves = zip(*(result["curve"] for result in results), strict=True)
    parts = ("vector", "symbol", "image", "reward", "continue", "action_mask", "dynamics", "representation")
    return Line(
        *key,
        cells,
        [statistics.fmean(values) for values in curves],
        statistics.fmean(sum(r["losses"][-1].get(part, 0.0) for part in parts) for r in results),
        results[0]["sizes"]["parameters"],
        statistics.fmean(result["seconds"] for result in results),
    )


def _names(results: Sequence[Result]) -> list[str]:
    """What sets each result apart beside its task and seed: its core, its agent if there are several, other options."""
    several_agents = len({result["agent"] for result in results}) > 1
    values: dict[tuple[str, str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for result in results:
        for key, value in result["asked"].items():
            values[_same(result)][key].add(repr(value))
    names = []
    for result in results:
        name = f"{result['agent']}-{result['core']}" if several_agents else result["core"]
        differing = [key for key, found in values[_same(result)].items() if len(found) > 1 and key != "seed"]
        names.append(" ".join([name, *(f"{key}={result['asked'].get(key)}" for key in differing)]))
    return names


def _same(result: Result) -> tuple[str, str, str]:
    return result["task"], result["agent"], result["core"]
