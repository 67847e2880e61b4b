"""What a memory gives, by the rows it came from: attention and implicit attention, in words and figures."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engram.agents.base import Agent
from engram.instruments.distances import by_distance, half_distance
from engram.instruments.finding import Draw, Finding
from engram.instruments.played import Played
from engram.memory_cores.reads import Attention, Reads

MOST_ENVS = 4
"""So many environments are looked at: a linear memory is taken apart into T² parts of each."""


@torch.no_grad()
def agent_reads(agent: Agent, played: Played, num_envs: int = MOST_ENVS) -> Reads:
    """Take apart what the memory by which an agent acts gives it in rows that were played.

    Args:
        agent: must have an `outlook`.
        played: its rows.
        num_envs: of the first so many environments.

    Returns:
        By the keys of the core's states; see `engram.memory_cores.MemoryCore.reads`.
    """
    rows, memory = played.rows[:num_envs], played.memory[:num_envs]
    outlook = agent.outlook(rows, memory)
    return outlook.core.reads(outlook.x, outlook.carry, rows["is_first"])[2]


def find_attention(agent: Agent, played: Played) -> Finding:
    """Find which past rows the memory gives the agent, by how long ago they were.

    Args:
        agent: must have an `outlook`.
        played: its rows.
    """
    title = "Attention and implicit attention"
    reads = agent_reads(agent, played)
    if not reads:
        said = (
            "What this core gives is no sum over past rows, so that it cannot be taken apart by them: the saliency "
            "says what they count."
        )
        return Finding("attention", title, [said], values={"reads": {}})
    is_first = played.rows["is_first"][:MOST_ENVS]
    table: list[dict[str, Any]] = []
    curves: dict[str, list[dict[str, Any]]] = {}
    sentences, values, figures = [], {}, {}
    for name, read in reads.items():
        kind = "attention" if isinstance(read, Attention) else "linear"
        rows, _ = read.magnitudes()
        share, count = by_distance(rows, is_first)
        own = [
            {"read": name, "kind": kind, "distance": distance, "share": value, "rows": number}
            for distance, (value, number) in enumerate(zip(share.tolist(), count.tolist(), strict=True))
            if number
        ]
        table += own
        curves[name] = own
        sentences.append(_sentence(name, kind, share))
        values[name] = {"kind": kind, "share": share.nan_to_num().tolist()}
        figures[f"attention_{re.sub('[^a-z0-9]+', '_', name)}.png"] = partial(
            _draw_map, rows[0], is_first[0], name
        )
    drawn: dict[str, Draw] = {"attention_distance.png": partial(_draw_curves, curves), **figures}
    return Finding("attention", title, sentences, table, {"reads": values}, drawn)


def _sentence(name: str, kind: str, share: Tensor) -> str:
    what = "attends" if kind == "attention" else "is a sum over rows that weighs"
    past = share[1:].nan_to_num()
    if not past.any():
        return f"{name} {what} the present row alone."
    return (
        f"{name} {what} the present row by {100 * float(share[0].nan_to_num()):.1f} %, and of the past most the row "
        f"{int(past.argmax()) + 1} ago, by {100 * float(past.max()):.1f} %; half of the past lies within "
        f"{half_distance(share)} rows."
    )


def _draw_curves(curves: dict[str, list[dict[str, Any]]], path: Path) -> Path:
    from engram.instruments.figures import draw_distances  # Matplotlib takes a second to import.

    return draw_distances(path, curves, "share of what is read")


def _draw_map(rows: Tensor, is_first: Tensor, name: str, path: Path) -> Path:
    from engram.instruments.figures import draw_map

    return draw_map(path, rows, is_first, name)
