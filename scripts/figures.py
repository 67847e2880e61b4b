"""Pictures of one run: its learning curve and its memory probe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from agents.logger import METRICS_FILE, read_metrics

# Colour-blind-safe (Okabe and Ito 2008).
_LIGHT_BLUE, _BLUE, _ORANGE, _GREY = "#56B4E9", "#0072B2", "#D55E00", "#666666"


def draw_learning_curve(run_dir: Path, title: str) -> Path:
    """Draw returns against environment steps to `learning_curve.png`.

    Args:
        run_dir: a run's folder.
        title: above the picture.

    Returns:
        The picture's path.
    """
    rows = read_metrics(run_dir / METRICS_FILE)
    axes = _new_axes()
    axes.plot(
        *_series(rows, "charts/episodic_return"), color=_LIGHT_BLUE, linewidth=1.2, label="training episodes"
    )
    steps, returns = _series(rows, "eval/episodic_return")
    if steps:
        by_step = dict(zip(*_series(rows, "eval/standard_error"), strict=True))
        errors = [by_step.get(step, 0.0) for step in steps]
        style: dict[str, Any] = {"color": _ORANGE, "marker": "o", "markersize": 4, "capsize": 2}
        axes.errorbar(steps, returns, yerr=errors, label="evaluation, mean ± s.e.", **style)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("episodic return")
    axes.set_title(title, fontsize=10)
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.legend(frameon=False)
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
    axes.set_xlabel(argument)
    axes.set_ylabel("episodic return, mean ± s.e.")
    return _save(axes, path)


def _new_axes() -> Axes:
    _, axes = plt.subplots(figsize=(7, 4.2), dpi=130)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _save(axes: Axes, path: Path) -> Path:
    figure = axes.figure
    figure.tight_layout()  # type: ignore[union-attr]
    figure.savefig(path)  # type: ignore[union-attr]
    plt.close(figure)  # type: ignore[arg-type]
    return path


def _series(rows: list[dict[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """Environment steps and values of every row that has `key`."""
    points = [(row["env_steps"], row[key]) for row in rows if row.get(key) is not None]
    return [x for x, _ in points], [y for _, y in points]
