"""The report as one HTML file that opens from disk: template, style, script and data, nothing from a network."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from engram.analysis.style import DASHES, LABELS
from engram.common.colours import COLOURS, DARK_COLOURS
from engram.run_files.json_text import json_text

TEMPLATE = Path(__file__).resolve().parent / "template"


def make_page(document: dict[str, Any]) -> str:
    """Fill the template with a comparison.

    Args:
        document: of `compare`, with `x`, `command` and `configurations`.
    """
    read = {path.name: path.read_text() for path in sorted(TEMPLATE.iterdir())}
    parts = {
        "{{title}}": html.escape(f"Comparison of {', '.join(document['groups'])}"),
        "{{colours}}": _colours(COLOURS),
        "{{dark_colours}}": _colours(DARK_COLOURS),
        "{{style}}": read["report.css"],
        "{{chart}}": read["chart.js"],
        "{{script}}": read["report.js"],
        "{{data}}": _embed(
            {"searches": [], **document, "labels": LABELS, "dashes": DASHES, "colours": len(COLOURS)}
        ),
    }
    # At once: a name that looks like a place must not be filled in turn.
    return re.sub("|".join(map(re.escape, parts)), lambda found: parts[found[0]], read["report.html"])


def _colours(colours: tuple[str, ...]) -> str:
    return " ".join(f"--group-{index}: {shade};" for index, shade in enumerate(colours))


def _embed(document: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    return json_text(document, separators=(",", ":")).replace("<", "\\u003c")
