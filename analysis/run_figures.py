"""Pictures: the learning curve and the memory probe of a run, the times of cores."""

from __future__ import annotations

import io
from array import array
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, NullLocator

from engram.run_files.metrics_log import stream_metrics
from engram.run_files.names import METRICS_FILE
from engram.run_files.plain_files import replace_file

# Colour-blind-safe (Okabe and Ito 2008).
_LIGHT_BLUE, _BLUE, _ORANGE, _GREY = "#56B4E9", "#0072B2", "#D55E00", "#666666"
_PANEL_COLOURS = [_BLUE, _GREY, _ORANGE, "#009E73", "#CC79A7", "#E69F00"]
# Names of folders and arguments may hold dollars, between which Matplotlib looks for formulas.
_AS_TEXT: dict[str, Any] = {"parse_math": False}
_STEPS, _TRAINING, _EVALUATION, _ERROR = (
    "env_steps",
    "charts/episodic_return",
    "eval/episodic_return",
    "eval/standard_error",
)


def draw_learning_curve(run_dir: Path, title: str) -> Path:
    """Draw returns against environment steps to `learning_curve.png`; where there are none, the picture says so.

    Args:
        run_dir: a run's folder.
        title: above the picture.

    Returns:
        The picture's path.
    """
    end, series = _read_series(run_dir / METRICS_FILE)
    axes = _new_axes()
    trained, training = series[_TRAINING]
    if trained:
        # A line needs two points; a single one is a dot.
        style: dict[str, Any] = {"color": _LIGHT_BLUE, "linewidth": 1.2, "markersize": 4}
        axes.plot(
            trained, training, marker="o" if len(trained) == 1 else "", label="training episodes", **style
        )
    steps, returns = series[_EVALUATION]
    if steps:
        by_step = dict(zip(*series[_ERROR], strict=True))
        errors = [by_step.get(step, 0.0) for step in steps]
        style = {"color": _ORANGE, "marker": "o", "markersize": 4, "capsize": 2}
        axes.errorbar(steps, returns, yerr=errors, label="evaluation, mean ± s.e.", **style)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("episodic return")
    axes.set_title(title, fontsize=10, **_AS_TEXT)
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.set_xlim(left=0, right=1.03 * end if end else None)
    if trained or steps:
        axes.legend(frameon=False)
    else:
        _say(
            axes,
            f"In {end:,.0f} environment steps no episode ended,\nand none was evaluated: there is no return to draw.",
        )
    return _save(axes, run_dir / "learning_curve.png")


def draw_probe(path: Path, argument: str, trained: float | None, points: list[dict[str, Any]]) -> Path:
    """Draw mean return ± standard error against the probed argument.

    Args:
        path: the picture.
        argument: its name.
        trained: value in training, drawn as a vertical line; None draws none.
        points: `value, mean, standard_error` of each variant.

    Returns:
        `path`.
    """
    axes = _new_axes()
    x = [point["value"] for point in points]
    errors = [point["standard_error"] or 0.0 for point in points]
    means = [point["mean"] for point in points]
    axes.errorbar(x, means, yerr=errors, color=_BLUE, marker="o", markersize=4, capsize=2)
    if trained is not None:
        axes.axvline(trained, color=_GREY, linestyle="--", linewidth=1, label="in training")
        axes.legend(frameon=False)
    if min(x) > 0 and max(x) >= 8 * min(x):
        axes.set_xscale("log", base=2)
        axes.set_xticks(x, [f"{value:g}" for value in x])
    axes.set_xlabel(argument, **_AS_TEXT)
    axes.set_ylabel("episodic return, mean ± s.e.")
    return _save(axes, path)


def draw_core_times(path: Path, title: str, panels: dict[str, list[dict[str, Any]]]) -> Path:
    """Draw times against sequence lengths, one panel per core, both axes logarithmic.

    Args:
        path: the picture.
        title: above all panels.
        panels: for each core its lines, itself first: `of` (lines alike have
            one colour), `label`, `points` of (T, seconds), and `dashed`.

    Returns:
        `path`.
    """
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(4.6 * columns, 4 * rows), dpi=110, sharex=True, sharey=True, squeeze=False
    )
    for axes, (name, lines) in zip(grid.flat, panels.items(), strict=False):
        if not lines:
            _say(axes, "nothing was measured within the budget")
        names = list(dict.fromkeys(line["of"] for line in lines))
        for line in lines:
            place = names.index(line["of"])
            colour = _PANEL_COLOURS[place % len(_PANEL_COLOURS)]
            style, width = "--" if line["dashed"] else "-", 1.2 if place else 2.0
            x, y = zip(*line["points"], strict=True)
            axes.plot(
                x, y, style, color=colour, marker="o", markersize=3, linewidth=width, label=line["label"]
            )
        _finish_panel(axes, name)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    inch = 1 / figure.get_figheight()
    words = f"{title}\nsolid lines are without resets, dashed ones with them"
    figure.suptitle(words, fontsize=10, y=1 - 0.1 * inch)
    return _save(grid[0, 0], path)


def _finish_panel(axes: Axes, name: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1024:g}k" if x >= 1024 else f"{x:g}")
    axes.yaxis.set_major_formatter(EngFormatter(unit="s"))
    axes.tick_params(labelbottom=True, labelleft=True)
    axes.set_title(name, fontsize=10)
    axes.set_xlabel("rows, T")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.lines:
        axes.legend(frameon=False, fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.18))


def _new_axes() -> Axes:
    _, axes = plt.subplots(figsize=(7, 4.2), dpi=130)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _say(axes: Axes, sentence: str) -> None:
    """Write a sentence where there is nothing to draw."""
    axes.text(0.5, 0.5, sentence, transform=axes.transAxes, ha="center", va="center", color=_GREY)
    axes.yaxis.set_major_locator(NullLocator())


def _save(axes: Axes, path: Path) -> Path:
    figure = axes.figure
    figure.tight_layout()  # type: ignore[union-attr]
    content = io.BytesIO()
    figure.savefig(content, format="png")  # type: ignore[union-attr]
    plt.close(figure)  # type: ignore[arg-type]
    replace_file(path, content.getvalue())  # on a full disk the picture of before stays whole
    return path


def _read_series(path: Path) -> tuple[float, dict[str, tuple[array[float], array[float]]]]:
    """The last environment step of a log, and by key the steps and values of every line that has it.

    Of a line no more is kept: a log may be longer than the memory is.
    """
    end = 0.0
    series = {key: (array("d"), array("d")) for key in (_TRAINING, _EVALUATION, _ERROR)}
    for row in stream_metrics(path) if path.is_file() else ():
        end = max(end, row[_STEPS] or 0)
        for key, (steps, values) in series.items():
            if row.get(key) is not None:
                steps.append(row[_STEPS])
                values.append(row[key])
    return end, series
