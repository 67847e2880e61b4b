"""What a comparison leaves on disk: the page, the document, the raw scores and the figures."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.json_text import json_text
from scripts.comparison.page import make_page


def write_files(folder: Path, document: dict[str, Any], figures: bool) -> list[Path]:
    """Write everything into a folder.

    Args:
        folder: exists.
        document: of `compare`.
        figures: also draw.

    Returns:
        The files.
    """
    results, scores, page = (folder / name for name in ("results.json", "scores.csv", "index.html"))
    results.write_text(json_text(document, indent=1) + "\n")
    with scores.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(document["runs"][0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(document["runs"])
    page.write_text(make_page(document))
    written = [page, results, scores]
    return written + _draw(folder / "figures", document) if figures else written


def _draw(folder: Path, document: dict[str, Any]) -> list[Path]:
    from scripts.comparison import figures  # Matplotlib takes a second to import.

    folder.mkdir(exist_ok=True)
    drawings: dict[str, Callable[[dict[str, Any]], Any]] = {"curves": figures.draw_curves}
    if document["aggregates"]:
        drawings |= {"aggregates": figures.draw_aggregates, "profiles": figures.draw_profiles}
    if document["improvement"]:
        drawings["improvement"] = figures.draw_improvement
    return [path for name, draw in drawings.items() for path in figures.save(draw(document), folder / name)]
