"""Saliency of an agent's past, as sentences, a table and figures."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from engram.agents.base import Agent
from engram.instruments.distances import by_distance, half_distance, positions
from engram.instruments.finding import Draw, Finding
from engram.instruments.played import Played
from engram.instruments.saliency import agent_saliency, pixel_saliency


def find_saliency(agent: Agent, played: Played, of: str = "action", times_input: bool = False) -> Finding:
    """Find how much past rows move what the agent makes of the present one, by how long ago they were.

    Args:
        agent: must have an `outlook`.
        played: its rows.
        of: `action`, `log_prob` or `value`.
        times_input: gradient times input, see `engram.instruments.saliency`.
    """
    found = agent_saliency(agent, played, of, times_input)
    is_first = played.rows["is_first"]
    share, count = by_distance(found.rows, is_first)
    position = positions(is_first)
    middle = int(position.max()) // 2 + 1
    halves = [by_distance(found.rows, is_first, keep)[0] for keep in (position < middle, position >= middle)]
    columns = zip(*(part.tolist() for part in (share, *halves, count)), strict=True)
    table = [
        {"distance": distance, "share": one, "share_early": early, "share_late": late, "rows": rows}
        for distance, (one, early, late, rows) in enumerate(columns)
        if rows
    ]
    measure = "gradient times input" if times_input else "gradient"
    carried = found.carried[:, 0].max().item()
    sentences = [
        f"The {measure} of {of} by every past row, as a share of all rows, averaged over "
        f"{is_first.numel()} rows: the present row has {_percent(share[0])}, and of the past the largest share is "
        f"{_percent(share[1:].nan_to_num().max())}, {int(share[1:].nan_to_num().argmax()) + 1} rows ago."
        if share.shape[0] > 1
        else f"The {measure} of {of} by a single row.",
        f"Half of what the past counts lies within {half_distance(share)} rows.",
    ]
    values: dict[str, Any] = {"of": of, "measure": measure, "share": share.nan_to_num().tolist()}
    if carried > 0:
        values["carried"] = found.carried.double().mean(0).tolist()
    return Finding(
        "saliency",
        "Saliency of past rows",
        sentences,
        table,
        values,
        _figures(agent, played, found.rows, table, of),
    )


def _percent(share: torch.Tensor) -> str:
    return f"{100 * float(share):.1f} %"


def _figures(
    agent: Agent, played: Played, rows: torch.Tensor, table: list[dict[str, Any]], of: str
) -> dict[str, Draw]:
    def curve(path: Any) -> Any:
        from engram.instruments.figures import draw_distances  # Matplotlib takes a second to import.

        return draw_distances(path, {f"saliency of {of}": table}, "share of the gradient")

    def picture(path: Any) -> Any:
        from engram.instruments.figures import draw_map

        return draw_map(path, rows[0], played.rows["is_first"][0], f"saliency of {of}")

    figures: dict[str, Draw] = {"saliency_distance.png": curve, "saliency_map.png": picture}
    is_first = played.rows["is_first"]
    ends = is_first[0].nonzero().flatten().tolist()[1:]
    last = (ends[0] if ends else is_first.shape[1]) - 1
    film = pixel_saliency(agent, played, 0, last, of)
    if film is not None:
        figures["saliency_film.gif"] = partial(_draw_film, *film)
    return figures


def _draw_film(pictures: torch.Tensor, pixels: torch.Tensor, path: Any) -> Any:
    from engram.instruments.film import write_film

    return write_film(path, pictures, pixels)
