"""A sweep's results in one table: a line for everything but the seeds."""

from __future__ import annotations

import statistics
import warnings
from collections import defaultdict
from collections.abc import Sequence

from engram.run_files.sizes import read_sizes
from engram.scripts.sweeps.loop import FINISHED, TrialStatus


def summary_lines(statuses: Sequence[TrialStatus]) -> list[str]:
    """Describe the finished trials of a sweep.

    Args:
        statuses: of all trials.

    Returns:
        A Markdown table: the axes' values but the seed (and the agent where there is one alone), how many seeds, the
        mean of their last evaluations with its standard error over seeds, the agent's parameters, and the bytes it
        carries for each environment.
    """
    groups: dict[tuple[str, ...], list[TrialStatus]] = defaultdict(list)
    agents = {entry.trial.values["agent"] for entry in statuses}
    left_out = ("seed",) if len(agents) > 1 else ("seed", "agent")
    axes: list[str] = []
    for entry in statuses:
        axes = [axis for axis in entry.trial.values if axis not in left_out]
        if entry.status == FINISHED:
            groups[tuple(entry.trial.values[axis] for axis in axes)].append(entry)
    header = [*axes, "seeds", "return", "parameters", "carry bytes"]
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    for values, entries in sorted(groups.items()):
        cells = [*values, str(len(entries)), _returns(entries), *_sizes(entries[0])]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _returns(entries: Sequence[TrialStatus]) -> str:
    """Mean ± standard error over seeds of the last evaluations."""
    values = [e.state.episodic_return for e in entries if e.state.episodic_return is not None]
    if len(values) < 2:
        return f"{values[0]:.3f}" if values else ""
    return f"{statistics.fmean(values):.3f} ± {statistics.stdev(values) / len(values) ** 0.5:.3f}"


def _sizes(entry: TrialStatus) -> list[str]:
    try:
        sizes = read_sizes(entry.run_dir)
    except (ValueError, OSError) as error:
        warnings.warn(f"{entry.run_dir} tells no sizes: {error}.", stacklevel=2)
        sizes = {}
    return [f"{sizes[key]:,}" if key in sizes else "" for key in ("parameters", "carry_bytes_per_env")]
