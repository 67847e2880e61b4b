"""What a comparison leaves on disk: the page, the document, the raw scores and the figures."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engram.analysis.page import make_page
from engram.run_files.json_text import json_text
from engram.run_files.plain_files import replace_file


def write_files(folder: Path, document: dict[str, Any], figures: bool) -> list[Path]:
    """Write everything into a folder, each file in one step: on a full disk those of before stay whole.

    Args:
        folder: exists.
        document: of `compare`.
        figures: also draw.

    Returns:
        The files.
    """
    results, scores, page = (folder / name for name in ("results.json", "scores.csv", "index.html"))
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(document["runs"][0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(document["runs"])
    replace_file(results, json_text(document, indent=1) + "\n")
    replace_file(scores, table.getvalue())
    replace_file(page, make_page(document))
    written = [page, results, scores]
    return written + _draw(folder / "figures", document) if figures else written


def _draw_search(search: dict[str, Any], document: dict[str, Any]) -> Any:
    from engram.analysis.search_figure import draw_search

    return draw_search(search)


def _draw(folder: Path, document: dict[str, Any]) -> list[Path]:
    from engram.analysis import figures  # Matplotlib takes a second to import.

    folder.mkdir(exist_ok=True)
    drawings: dict[str, Callable[[dict[str, Any]], Any]] = {"curves": figures.draw_curves}
    if document["aggregates"]:
        drawings |= {"aggregates": figures.draw_aggregates, "profiles": figures.draw_profiles}
    if document["improvement"]:
        drawings["improvement"] = figures.draw_improvement
    for index, search in enumerate(document.get("searches", ())):
        if any(one["score"] is not None for one in search["configurations"]):
            name = "search" if index == 0 else f"search_{index + 1}"
            drawings[name] = functools.partial(_draw_search, search)
    return [path for name, draw in drawings.items() for path in figures.save(draw(document), folder / name)]
