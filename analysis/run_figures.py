"""Pictures of a run: its learning curve and its memory probe."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from engram.analysis.axes import finish, make_panels, open_axes, say
from engram.common.colours import BLUE, GREY, LIGHT_BLUE, ORANGE
from engram.run_files.metrics_log import stream_metrics
from engram.run_files.names import METRICS_FILE

# Names of folders and arguments may hold dollars, between which Matplotlib looks for formulas.
_AS_TEXT: dict[str, Any] = {"parse_math": False}
_STEPS, _TRAINING, _EVALUATION, _ERROR = (
    "env_steps",
    "charts/episodic_return",
    "eval/episodic_return",
    "eval/standard_error",
)


def draw_learning_curve(run_dir: Path, title: str, chance: float | None = None) -> Path:
    """Draw returns against environment steps to `learning_curve.png`; where there are none, the picture says so.

    Args:
        run_dir: a run's folder.
        title: above the picture.
        chance: return of uniformly random actions, drawn as a line; None draws none.

    Returns:
        The picture's path.
    """
    end, series = _read_series(run_dir / METRICS_FILE)
    figure, (axes,) = make_panels(1, 1, (7, 4.2), dpi=130)
    open_axes(axes)
    trained, training = series[_TRAINING]
    if trained:
        # A line needs two points; a single one is a dot.
        style: dict[str, Any] = {"color": LIGHT_BLUE, "linewidth": 1.2, "markersize": 4}
        axes.plot(
            trained, training, marker="o" if len(trained) == 1 else "", label="training episodes", **style
        )
    steps, returns = series[_EVALUATION]
    if steps:
        by_step = dict(zip(*series[_ERROR], strict=True))
        errors = [by_step.get(step, 0.0) for step in steps]
        style = {"color": ORANGE, "marker": "o", "markersize": 4, "capsize": 2}
        axes.errorbar(steps, returns, yerr=errors, label="evaluation, mean ± s.e.", **style)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("episodic return")
    axes.set_title(title, fontsize=10, **_AS_TEXT)
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.set_xlim(left=0, right=1.03 * end if end else None)
    if trained or steps:
        _draw_chance(axes, chance)
        axes.legend(frameon=False)
    else:
        say(
            axes,
            f"In {end:,.0f} environment steps no episode ended,\nand none was evaluated: there is no return to draw.",
        )
    return finish(figure, run_dir / "learning_curve.png")


def draw_seeds(
    path: Path, title: str, curves: Mapping[str, Mapping[str, Any]], chance: float | None = None
) -> Path:
    """Draw the mean return of several seeds against environment steps, with the band of its interval.

    Args:
        path: the picture.
        title: above it.
        curves: by what they are of, `x`, `value`, and `low` and `high` or None, as of `make_curves`.
        chance: return of uniformly random actions, drawn as a line; None draws none.
    """
    figure, (axes,) = make_panels(1, 1, (7, 4.2), dpi=130)
    open_axes(axes)
    for colour, (label, curve) in zip((LIGHT_BLUE, ORANGE), curves.items(), strict=False):
        x, value = np.array(curve["x"], float), np.array(curve["value"], float)
        axes.plot(x, value, color=colour, linewidth=1.4, marker="o" if len(x) == 1 else "", label=label)
        if curve["low"] is not None:
            low, high = (np.array(curve[end], float) for end in ("low", "high"))
            axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("episodic return")
    axes.set_title(title, fontsize=10, **_AS_TEXT)
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.set_xlim(left=0)
    _draw_chance(axes, chance)
    axes.legend(frameon=False)
    return finish(figure, path)


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
    figure, (axes,) = make_panels(1, 1, (7, 4.2), dpi=130)
    open_axes(axes)
    x = [point["value"] for point in points]
    errors = [point["standard_error"] or 0.0 for point in points]
    means = [point["mean"] for point in points]
    axes.errorbar(x, means, yerr=errors, color=BLUE, marker="o", markersize=4, capsize=2)
    if trained is not None:
        axes.axvline(trained, color=GREY, linestyle="--", linewidth=1, label="in training")
        axes.legend(frameon=False)
    if min(x) > 0 and max(x) >= 8 * min(x):
        axes.set_xscale("log", base=2)
        axes.set_xticks(x, [f"{value:g}" for value in x])
    axes.set_xlabel(argument, **_AS_TEXT)
    axes.set_ylabel("episodic return, mean ± s.e.")
    return finish(figure, path)


def _draw_chance(axes: Axes, chance: float | None) -> None:
    if chance is not None:
        axes.axhline(chance, color=GREY, linestyle=":", linewidth=1.2, label=f"chance, {chance:.3g}")


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
