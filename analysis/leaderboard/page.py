"""The leaderboard as one HTML file that opens from disk: tables that are there without a script."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from engram.analysis.leaderboard.words import (
    NONE,
    heading,
    method,
    own_options,
    score_parts,
    span,
    threshold_steps,
)
from engram.analysis.leaderboard.words import number as score_text
from engram.analysis.page import TEMPLATE
from engram.run_files.json_text import json_text


def make_page(document: Mapping[str, Any]) -> str:
    """Fill the template with the leaderboard.

    Args:
        document: of `make_document`, with `command` and `free`.
    """
    boards, tasks = document["boards"], {task["name"]: task for task in document["tasks"]}
    cores = {row["core"] for board in boards for row in board["rows"]}
    lead = f"{document['runs']:,} runs of {len(cores)} cores on {len(tasks)} tasks, in {len(boards)} boards."
    parts = {
        "{{style}}": (TEMPLATE / "report.css").read_text(),
        "{{own_style}}": (TEMPLATE / "leaderboard.css").read_text(),
        "{{lead}}": lead,
        "{{notes}}": _skipped(document["skipped"]),
        "{{free}}": f"and {escape(', '.join(document['free']))}" if document["free"] else "",
        "{{agents}}": _options(sorted({board["agent"] for board in boards})),
        "{{tasks}}": _options(tasks),
        "{{overview}}": _overview(boards),
        "{{boards}}": "\n".join(_board(index, board, tasks) for index, board in enumerate(boards)),
        "{{coverage}}": _coverage(document["coverage"]),
        "{{method}}": "".join(f"<li>{escape(sentence)}</li>" for sentence in method(document)),
        "{{command}}": escape(document["command"]),
    }
    # At once: a name that looks like a place must not be filled in turn.
    template = (TEMPLATE / "leaderboard.html").read_text()
    return re.sub("|".join(map(re.escape, parts)), lambda found: parts[found[0]], template)


def _options(names: Iterable[str]) -> str:
    return "".join(f"<option>{escape(name)}</option>" for name in names)


def _skipped(skipped: Sequence[Mapping[str, str]]) -> str:
    if not skipped:
        return ""
    lines = "".join(
        f"<li><code>{escape(one['name'])}</code>: {escape(one['reason'])}</li>" for one in skipped
    )
    return f'<section class="notes"><h2>Left out</h2><ul>{lines}</ul></section>'


def _filter(board: Mapping[str, Any]) -> str:
    """What the choices of the page go by."""
    return f'data-agent="{escape(board["agent"])}" data-tasks="{escape(json_text(board["tasks"]))}"'


def _head(cells: Iterable[str]) -> str:
    return f"<thead>{''.join(cells)}</thead>"


def _th(text: str, kind: str = "", span: int = 1) -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<th scope="col"{kind}{f" colspan={span}" if span > 1 else ""}>{escape(text)}</th>'


def _td(content: str, kind: str = "number") -> str:
    return f'<td class="{kind}">{content}</td>'


def _overview(boards: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for index, board in enumerate(boards):
        seeds = [len(cell["seeds"]) for row in board["rows"] for cell in row["cells"].values()]
        link = f'<a href="#board-{index + 1}">{escape(board["title"])}</a>'
        first = ", ".join(
            row["name"] for row in board["rows"] if 1 in [c["rank"] for c in row["cells"].values()]
        )
        lines.append(
            f'<tr {_filter(board)}><th scope="row">{link}</th>{_td(str(len(board["rows"])))}'
            f"{_td(span([min(seeds), max(seeds)]))}{_td(_shortened(first), '')}</tr>"
        )
    head = _head(
        ["<tr>", _th("board"), _th("cores", "number"), _th("seeds", "number"), _th("first"), "</tr>"]
    )
    return f'<table class="overview">{head}<tbody>{"".join(lines)}</tbody></table>'


def _shortened(text: str) -> str:
    return escape(text if len(text) <= 60 else f"{text[:57]}…")


def _board(index: int, board: Mapping[str, Any], tasks: Mapping[str, Any]) -> str:
    name = f"board-{index + 1}"
    notes = "".join(f"<li>{escape(note)}</li>" for note in board["notes"])
    settings = "".join(f"<li>{escape(key)}={escape(text)}</li>" for key, text in board["settings"].items())
    command = ""
    if board["command"]:
        command = (
            "<p>A run of it; put another core in its place:</p>"
            f'<pre class="wrap" tabindex="0"><code>{escape(board["command"])}</code></pre>'
        )
    return (
        f'<section class="board" id="{name}" aria-labelledby="{name}-title" {_filter(board)}>'
        f'<h2 id="{name}-title">{escape(board["title"])}</h2>'
        f"<p>From {escape(', '.join(board['sources']))}.</p>"
        f"{f'<ul>{notes}</ul>' if notes else ''}"
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{name}-title">{_table(board, tasks)}</div>'
        f"<details><summary>Settings</summary>{command}<ul class=settings>{settings}</ul></details></section>"
    )


def _table(board: Mapping[str, Any], tasks: Mapping[str, Any]) -> str:
    own, ranked = own_options(board["rows"]), ["mean rank"] if board["mean_rank"] else []
    last = [*(key.rpartition(".")[2].replace("_", " ") for key in own), "parameters", "carry bytes"]
    over = [_th("", "over"), *(_th("", "over") for _ in ranked)]
    under = [_th("core"), *(_th(name, "number") for name in ranked)]
    for task in board["tasks"]:
        limit = board["thresholds"][task]
        names = [
            "score",
            "seeds",
            "steps trained",
            "steps to threshold" if limit is None else f"steps to {limit:g}",
        ]
        over.append(_th(heading(tasks[task]), "over first", 5))
        under += [_th("rank", "number first"), *(_th(name, "number") for name in names)]
    over.append(_th("", "over first", len(last)))
    under += [_th(name, "number" if place else "number first") for place, name in enumerate(last)]
    rows = [_row(row, board, own) for row in board["rows"]]
    chances = [tasks[task]["chance"] for task in board["tasks"]]
    if any(chance is not None for chance in chances):
        cells = "".join(
            f"{_td('', 'first')}{_td(score_text(chance))}<td colspan=3></td>" for chance in chances
        )
        cells = "".join(_td("") for _ in ranked) + cells + f'<td class="first" colspan={len(last)}></td>'
        rows.append(f'<tr class="chance"><th scope="row">chance</th>{cells}</tr>')
    head = _head(["<tr>", *over, "</tr><tr>", *under, "</tr>"])
    return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"


def _row(row: Mapping[str, Any], board: Mapping[str, Any], own: Sequence[str]) -> str:
    marks = ["control"] if row["control"] else []
    marks += (
        [f"submitted: {row['submitted']}, Engram {', '.join(row['versions'])}"] if row["submitted"] else []
    )
    named = escape(row["name"]) + "".join(f'<span class="mark">{escape(mark)}</span>' for mark in marks)
    cells = [_td(f"{row['mean_rank']:g}")] if board["mean_rank"] else []
    for task in board["tasks"]:
        cells += _cell(row["cells"].get(task), board["thresholds"][task])
    last = [escape(", ".join(row["own"].get(key, [NONE]))) for key in own]
    last += [span(row["parameters"]), span(row["carry_bytes"])]
    cells += [_td(text, "number" if place else "number first") for place, text in enumerate(last)]
    kind = ' class="submitted"' if row["submitted"] else ""
    return f'<tr{kind}><th scope="row">{named}</th>{"".join(cells)}</tr>'


def _cell(cell: Mapping[str, Any] | None, threshold: float | None) -> list[str]:
    if cell is None:
        return [_td(NONE, "number first"), *(_td(NONE) for _ in range(4))]
    value, interval = score_parts(cell)
    best = ' class="best"' if cell["rank"] == 1 else ""
    small = f" <small>{interval}</small>" if interval else ""
    return [
        _td(str(cell["rank"]), "number first"),
        _td(f"<span{best}>{value}</span>{small}"),
        _td(str(len(cell["seeds"]))),
        _td(span(cell["env_steps"])),
        _td(threshold_steps(cell, threshold)),
    ]


def _coverage(coverage: Sequence[Mapping[str, Any]]) -> str:
    counts = [(escape(one["task"]), f"{one['cores']} of {one['of']}") for one in coverage]
    rows = "".join(f'<tr><th scope="row">{task}</th>{_td(count)}</tr>' for task, count in counts)
    head = _head(["<tr>", _th("task"), _th("cores with runs", "number"), "</tr>"])
    return f"<table>{head}<tbody>{rows}</tbody></table>"
