"""The report as one HTML file that opens from disk: template, style, script and data, nothing from a network."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engram.analysis.style import DASHES, LABELS, shades
from engram.common.colours import COLOURS, DARK_COLOURS, DARK_GREY, GREY
from engram.run_files.json_text import json_text

_LONGEST_TITLE = 100
TEMPLATE = Path(__file__).resolve().parent / "template"


def make_page(document: dict[str, Any]) -> str:
    """Fill the template with a comparison.

    Args:
        document: of `compare`, with `x`, `command` and `configurations`.
    """
    read = {path.name: path.read_text() for path in sorted(TEMPLATE.iterdir())}
    parts = {
        "{{title}}": html.escape(_title(document["groups"])),
        "{{colours}}": _colours(COLOURS, GREY),
        "{{dark_colours}}": _colours(DARK_COLOURS, DARK_GREY),
        "{{style}}": read["report.css"],
        "{{chart}}": read["chart.js"],
        "{{script}}": read["report.js"],
        "{{data}}": _embed(
            {
                "searches": [],
                **document,
                "labels": LABELS,
                "dashes": DASHES,
                "colours": len(COLOURS),
                "shades": shades(document),
            }
        ),
    }
    # At once: a name that looks like a place must not be filled in turn.
    return re.sub("|".join(map(re.escape, parts)), lambda found: parts[found[0]], read["report.html"])


def _title(groups: Sequence[str]) -> str:
    """The groups, or how many they are where their names fill a phone."""
    names = ", ".join(groups)
    return f"Comparison of {names}" if len(names) <= _LONGEST_TITLE else f"Comparison of {len(groups)} groups"


def _colours(colours: tuple[str, ...], control: str) -> str:
    shades = [f"--group-{index}: {shade};" for index, shade in enumerate(colours)]
    return " ".join([*shades, f"--control: {control};"])


def _embed(document: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    return json_text(document, separators=(",", ":")).replace("<", "\\u003c")
