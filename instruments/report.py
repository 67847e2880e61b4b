"""What instruments leave on disk: a CSV and figures of each, one JSON of all, and one page."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engram.instruments.finding import Finding
from engram.run_files.json_text import json_text
from engram.run_files.plain_files import replace_file
from engram.run_files.sealed_json import sealed

PAGE, VALUES = "index.html", "analysis.json"
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:58rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "img{max-width:100%;height:auto}h2{margin-top:2.2rem}code{background:#f2f2f2;padding:0 .25em}"
    "@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}code{background:#2a2a2a}}"
)


def write_findings(
    folder: Path,
    title: str,
    about: Mapping[str, Any],
    findings: Sequence[Finding],
    values_file: str = VALUES,
) -> list[Path]:
    """Write everything into a folder, each file in one step.

    Args:
        folder: exists.
        title: of the page.
        about: what was analysed, and how, JSON values.
        findings: of the instruments, in the order of the page.
        values_file: name of the JSON.

    Returns:
        The files, the page first.
    """
    written, sections = [], []
    for finding in findings:
        drawn = [draw(folder / name) for name, draw in finding.figures.items()]
        tables = {finding.name: finding.table, **finding.more_tables}
        table = [_write_table(folder / f"{name}.csv", rows) for name, rows in tables.items() if rows]
        sections.append(_section(finding, drawn, table))
        written += [*table, *drawn]
    values = {**about, "found": {finding.name: dict(finding.values) for finding in findings}}
    replace_file(folder / values_file, json_text(sealed(values), indent=1) + "\n")
    replace_file(folder / PAGE, _page(title, about, sections))
    return [folder / PAGE, folder / values_file, *written]


def _write_table(path: Path, table: Sequence[Mapping[str, Any]]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    replace_file(path, text.getvalue())
    return path


def _section(finding: Finding, drawn: Sequence[Path], table: Sequence[Path]) -> str:
    lines = [f"<h2>{html.escape(finding.title)}</h2>"]
    lines += [f"<p>{html.escape(sentence)}</p>" for sentence in finding.sentences]
    lines += [f'<p><img src="{path.name}" alt="{html.escape(finding.title)}"></p>' for path in drawn]
    lines += [f'<p>Numbers: <a href="{path.name}">{path.name}</a></p>' for path in table]
    return "\n".join(lines)


def _page(title: str, about: Mapping[str, Any], sections: Sequence[str]) -> str:
    """One page that opens from disk, beside its figures."""
    said = ", ".join(f"{key}: {value}" for key, value in about.items())
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    body = "\n".join([f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(said)}</p>", *sections])
    return f"<!doctype html><html lang=en><head>{head}</head><body>\n{body}\n</body></html>\n"
