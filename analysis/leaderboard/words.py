"""Figures of the leaderboard as its page and its tables write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NONE, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def number(value: float | None) -> str:
    """A score with three decimals and a minus sign; a dash for none."""
    return NONE if value is None else f"{value:.3f}".replace("-", MINUS)


def score_parts(cell: Mapping[str, Any]) -> tuple[str, str]:
    """A cell's score, and its interval, which is empty for a single seed."""
    score = cell["score"]
    interval = "" if score["low"] is None else f"[{number(score['low'])}, {number(score['high'])}]"
    return number(score["value"]), interval


def span(values: Sequence[int] | None) -> str:
    """The fewest and the most, as one number where they are the same; a dash for none."""
    if values is None:
        return NONE
    low, high = values
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def threshold_steps(cell: Mapping[str, Any], threshold: float | None) -> str:
    """Steps to a task's threshold, with how many seeds reached it where not all did."""
    if threshold is None:
        return NONE
    seeds = len(cell["seeds"])
    some = "" if cell["reached"] == seeds else f" ({cell['reached']} of {seeds})"
    if cell["steps_to_threshold"] is None:
        return f"not reached{some if cell['reached'] else ''}"
    return f"{cell['steps_to_threshold']:,.0f}{some}"


def own_options(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The options a core may choose for itself in which the rows of a board differ."""
    keys = sorted({key for row in rows for key in row["own"]})
    return [key for key in keys if len({str(row["own"].get(key)) for row in rows}) > 1]


def heading(task: Mapping[str, Any]) -> str:
    """A task with what chance is worth on it."""
    return (
        str(task["name"]) if task["chance"] is None else f"{task['name']} (chance {number(task['chance'])})"
    )


def method(document: Mapping[str, Any]) -> list[str]:
    """How everything was computed, in sentences."""
    percent = f"{100 * document['confidence']:g} %"
    return [
        "A score is the mean over seeds of each run's last evaluation, at the steps that it was trained for, with its "
        f"{percent} bootstrap interval over seeds; a single seed has none, and with fewer than five it is too narrow.",
        "Steps to the threshold are those of a run's first evaluation at it or above: the median over seeds, of which "
        "one that did not get there counts as later than all others. The threshold is the evaluation.stop_at_return of "
        "a board, at which its runs stop; where it has none, the lowest that other runs on the task have.",
        "Ranks: first those whose score is at the threshold, the sooner reached the better, then by score; what is "
        "equal has the same rank. Rows whose intervals overlap are not told apart by their ranks.",
        "A mean rank is over tasks on which every core of a board has runs, where there are several. There is no "
        "aggregate of a single task.",
        "mlp and pos_mlp have no memory, frame_stack has the last few frames: they are controls. Chance is the mean "
        "return of uniformly random actions.",
        "An option that a run of an earlier version does not have counts as this version's default.",
    ]
