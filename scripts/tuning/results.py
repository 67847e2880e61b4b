"""What a search leaves: its configurations as `search.json`, the best of them as `best.yaml`, and a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engram.command_line.as_words import CHOSEN
from engram.command_line.paths import literal_path
from engram.command_line.words import parse_value
from engram.common.shell import command_line
from engram.run_files.json_text import json_text
from engram.run_files.names import SEARCH_FILE
from engram.run_files.plain_files import replace_file
from engram.run_files.sealed_json import sealed
from engram.run_files.stored_yaml import yaml_text
from engram.scripts.tuning.plan import SearchPlan, dimension_texts
from engram.scripts.tuning.study import FAILED, FINISHED, PRUNED, RUNNING, Record

BEST_FILE = "best.yaml"
_MOST_ROWS = 20
# Who gives the command says whose code may run.
_NOT_IN_A_FILE = ("allow", "trust_edited")


def write_results(plan: SearchPlan, records: Sequence[Record]) -> None:
    """Write `search.json` and, once a configuration has finished, `best.yaml`, each in one step."""
    document = {
        "metric": plan.search["metric"],
        "score": plan.search["score"],
        "direction": plan.search["direction"],
        "space": dimension_texts(plan.space),
        "configurations": [
            {
                "number": index,
                "state": record.state,
                "score": record.score if record.state == FINISHED else None,
                "options": record.values,
                "runs": [trial.folder.as_posix() for trial in plan.runs_of(record.values)],
            }
            for index, record in enumerate(records)
        ],
    }
    replace_file(plan.directory / SEARCH_FILE, json_text(sealed(document), indent=1) + "\n")
    if found := ranked(plan, records):
        replace_file(plan.directory / BEST_FILE, _best_text(plan, found[0], len(found)))


def ranked(plan: SearchPlan, records: Sequence[Record]) -> list[Record]:
    """The finished configurations, the best first."""
    sign = -1 if plan.search["direction"] == "maximize" else 1
    return sorted(
        (one for one in records if one.state == FINISHED), key=lambda one: sign * (one.score or 0.0)
    )


def table_lines(plan: SearchPlan, records: Sequence[Record]) -> list[str]:
    """The configurations as a Markdown table, the best first; then how many came to no score."""
    header = ["rank", *plan.space, plan.search["score"]]
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    found = ranked(plan, records)
    for rank, record in enumerate(found[:_MOST_ROWS], start=1):
        cells = [str(rank), *record.values.values(), f"{record.score:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    if len(found) > _MOST_ROWS:
        lines.append(f"and {len(found) - _MOST_ROWS} more, in {plan.directory / SEARCH_FILE}")
    return lines


def counts(records: Sequence[Record]) -> str:
    """How many configurations are in which state."""
    states = [
        (state, sum(one.state == state for one in records)) for state in (FINISHED, PRUNED, FAILED, RUNNING)
    ]
    return ", ".join(
        f"{count} {'diverged' if state == FAILED else state}" for state, count in states if count
    )


def train_command(directory: Path) -> str:
    """The command that trains the best configuration."""
    return command_line("train", [f"config={literal_path(str(directory / BEST_FILE))}"])


def _best_text(plan: SearchPlan, best: Record, finished: int) -> str:
    runs = plan.runs_of(best.values)
    first, envs = runs[0], plan.axes["env"]
    values = ", ".join(f"{key}={value}" for key, value in best.values.items())
    what = f"the {plan.search['score']} of {plan.search['metric']} in evaluations"
    lines = [
        f"# Written by engram tune: the best of {finished} configurations that finished, {values}.",
        f"# Its score is {best.score:.4g}, {what}, mean of {len(runs)} run{'s' if len(runs) > 1 else ''}.",
    ]
    if len(envs) > 1:
        lines.append(f"# It was measured on {', '.join(envs)}; env=<another> trains it there.")
    lines.append("#   engram train config=<this file> seed=1")
    words = [word for word in first.words if word.lstrip("+").partition("=")[0] not in _NOT_IN_A_FILE]
    return "\n".join(lines) + "\n" + yaml_text(nested_options(words))


def nested_options(words: Sequence[str]) -> dict[str, Any]:
    """Words as a file of options has them: nested, a choice under `name`, an added argument with its plus."""
    found: dict[str, Any] = {}
    for word in words:
        key, _, text = word.partition("=")
        value = _value(text)
        plus, *parts = re.fullmatch(r"(\+*)(.*)", key).groups()  # type: ignore[union-attr]
        path = parts[0].split(".")
        if len(path) == 1 and path[0] in CHOSEN:
            path.append("name")
        *groups, name = path
        node = found
        for group in groups:
            node = node.setdefault(group, {})
        node[f"{plus}{name}" if groups else name] = value
    return {key: _short(value) if key in CHOSEN else value for key, value in found.items()}


def _value(text: str) -> Any:
    try:
        return parse_value(text)
    except ValueError:
        return text


def _short(value: Any) -> Any:
    """`core: gru` where nothing is said of it but its name."""
    return value["name"] if isinstance(value, dict) and value.keys() == {"name"} else value
