"""Probes of all that a task hides, as sentences, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from engram.common.errors import UsageError
from engram.instruments.finding import Finding
from engram.instruments.hidden_rows import HiddenRows
from engram.instruments.probes.episodes import episode_of
from engram.instruments.probes.probing import Probe, probe

MOST_THINGS = 8
"""Of more things that a task hides so many are probed, evenly chosen, unless they are named."""


def find_probes(
    features: Mapping[str, Tensor],
    hidden: Mapping[str, HiddenRows],
    is_first: Tensor,
    readouts: Sequence[str] = ("linear",),
    of: Sequence[str] = (),
) -> Finding:
    """Find what can be read off features that the task hides.

    Args:
        features: by name, `[B, T, n]`, the memory's first.
        hidden: by name.
        is_first: whether a row begins an episode, `[B, T]`.
        readouts: of `engram.instruments.probes.READOUTS`.
        of: names of what is probed. Default: all, or `MOST_THINGS` of them.

    Raises:
        UsageError: if nothing of such a name is hidden.
        ValueError: if fewer than five episodes have shown it.
    """
    names = _names(list(hidden), of)
    episode = episode_of(is_first).flatten()
    table, ages, sentences = [], [], []
    for name in names:
        thing, said = hidden[name], []
        for readout in readouts:
            memory: Probe | None = None  # the first that is read
            for source, part in features.items():
                found = probe(
                    part.flatten(0, 1),
                    thing.value.flatten(0, 1),
                    thing.num_classes,
                    episode,
                    thing.rows_ago.flatten(),
                    readout,
                )
                memory = memory or found
                table.append(_row(name, source, readout, thing, found, memory))
                for first, last, score, rows in found.ages:
                    ages.append(
                        {
                            "hidden": name,
                            "read_from": source,
                            "readout": readout,
                            "rows_ago_from": first,
                            "rows_ago_to": last,
                            "score": score,
                            "rows": rows,
                        }
                    )
                control = f"control {found.control:.3f}"
                if found is not memory:
                    control += "; the memory's less this {:+.3f} ± {:.3f}".format(*memory.ahead_of(found))
                said.append(f"{source} {found.score:.3f} ± {found.standard_error:.3f} ({control})")
        kind = "squared error" if thing.num_classes is None else "accuracy"
        sentences.append(f"{name}, {kind}: {', '.join(said)}; without looking {table[-1]['baseline']:.3f}.")
    values = {"probes": table, "ages": ages}
    figures = {
        "probes.png": partial(_draw_scores, table, readouts[0]),
        "probes_age.png": partial(_draw_ages, ages, readouts[0]),
    }
    return Finding("probes", "Probes of the memory", sentences, table, values, figures, {"probes_age": ages})


def _names(known: list[str], wanted: Sequence[str]) -> list[str]:
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"A probe is of something that the task hides, one of {', '.join(known)}, but got {name!r}; set "
                f"probes.of=[{known[0]}]."
            )
    if wanted:
        return list(wanted)
    if len(known) <= MOST_THINGS:
        return known
    return [known[place * (len(known) - 1) // (MOST_THINGS - 1)] for place in range(MOST_THINGS)]


def _row(
    name: str, source: str, readout: str, thing: HiddenRows, found: Probe, memory: Probe
) -> dict[str, Any]:
    ahead, ahead_error = memory.ahead_of(found)
    return {
        "hidden": name,
        "read_from": source,
        "readout": readout,
        "measure": "squared_error" if thing.num_classes is None else "accuracy",
        "score": found.score,
        "standard_error": found.standard_error,
        "memory_less_this": ahead,
        "memory_less_this_error": ahead_error,
        "control": found.control,
        "baseline": found.baseline,
        "balanced_accuracy": found.balanced_accuracy,
        "r2": found.r2,
        "rows": found.num_rows,
    }


def _draw_scores(table: list[dict[str, Any]], readout: str, path: Path) -> Path:
    from engram.instruments.probe_figures import draw_scores  # Matplotlib takes a second to import.

    return draw_scores(path, [row for row in table if row["readout"] == readout])


def _draw_ages(ages: list[dict[str, Any]], readout: str, path: Path) -> Path:
    from engram.instruments.probe_figures import draw_ages

    return draw_ages(path, [row for row in ages if row["readout"] == readout])
