"""The picture of one run's learning curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from agents.logger import METRICS_FILE, read_metrics

# Colour-blind-safe (Okabe and Ito 2008).
_TRAINING, _EVALUATION = "#56B4E9", "#D55E00"


def draw_learning_curve(run_dir: Path, title: str) -> Path:
    """Draw returns against environment steps to `learning_curve.png`.

    Args:
        run_dir: a run's folder.
        title: above the picture.

    Returns:
        The picture's path.
    """
    rows = read_metrics(run_dir / METRICS_FILE)
    figure, axes = plt.subplots(figsize=(7, 4.2), dpi=130)
    training = _series(rows, "charts/episodic_return")
    evaluation = _series(rows, "eval/episodic_return")
    axes.plot(*training, color=_TRAINING, linewidth=1.2, label="training episodes")
    errors = _series(rows, "eval/standard_error")[1]
    axes.errorbar(
        *evaluation,
        yerr=errors,
        color=_EVALUATION,
        marker="o",
        markersize=4,
        capsize=2,
        label="evaluation, mean ± s.e.",
    )
    axes.set_xlabel("environment steps")
    axes.set_ylabel("episodic return")
    axes.set_title(title, fontsize=10)
    axes.xaxis.set_major_formatter(matplotlib.ticker.EngFormatter())
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.tight_layout()
    path = run_dir / "learning_curve.png"
    figure.savefig(path)
    plt.close(figure)
    return path


def _series(rows: list[dict[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """Environment steps and values of every row that has `key`."""
    points = [(row["env_steps"], row[key]) for row in rows if row.get(key) is not None]
    return [x for x, _ in points], [y for _, y in points]
