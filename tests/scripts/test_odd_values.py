"""A value of another kind, anywhere in a run's files, leaves out that run by name; the report is of the others."""

import copy
import json
import math
import re

import pytest
from synthetic_runs import SIZES, VERSIONS, composed, write_run

from engram.analysis.compare import compare
from engram.analysis.configurations import describe_configurations
from engram.analysis.groups import place_runs
from engram.analysis.leaderboard.boards import Entry
from engram.analysis.leaderboard.document import make_document
from engram.analysis.leaderboard.page import make_page as make_leaderboard_page
from engram.analysis.leaderboard.protocol import protocol_of
from engram.analysis.leaderboard.tables import make_tables
from engram.analysis.metrics import EVALUATION
from engram.analysis.names import learning_options
from engram.analysis.page import make_page
from engram.analysis.runs import Run, read_run
from engram.analysis.settings import Settings
from engram.analysis.skipped import Skipped
from engram.run_files.run_command import RunCommand, command_text
from engram.run_files.stored_yaml import yaml_text

NESTED = json.loads("[" * 50 + "]" * 50)
ODD = [None, True, [], {}, "x", "", -1, 0, 0.5, 10**30, 1e300, math.nan, math.inf, NESTED, {"a": {"b": [1]}}]
ODD += ["$$", "\x1b[31m", "${oc.env:HOME}", "</script><b>", "\u202e", "e" * 400, [None, "x"]]
QUICK = Settings(resamples=100, points=2)
WORDS = ("core=gru", "env=popgym/repeat_previous_easy")
COMMAND = RunCommand(list(WORDS), {"agent": "ppo", "core": "gru", "env": "popgym/repeat_previous_easy"})


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Two good runs, and the folder of one to be harmed."""
    root = tmp_path_factory.mktemp("runs")
    folders = [write_run(root, seed=seed, evaluations=(0.3,)) for seed in range(3)]
    for folder in folders:
        (folder / "command.json").write_text(command_text(COMMAND))
    return [read_run(folder) for folder in folders[:2]], folders[2]


def places(document, before=()):
    """The keys of every value in nested mappings, and of the mappings."""
    for key, value in document.items():
        yield (*before, key)
        if isinstance(value, dict):
            yield from places(value, (*before, key))


def with_odd(document, place, value):
    changed = copy.deepcopy(document)
    node = changed
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return changed


def read_all(harmed, file, texts):
    """Read the run with each of some texts in the place of a file; those that are left out are named."""
    before = (harmed / file).read_text()
    read = []
    for text in texts:
        (harmed / file).write_text(text)
        found = read_run(harmed)
        if isinstance(found, Skipped):
            assert found.name == harmed.as_posix()
            assert found.reason.isprintable() and 10 < len(found.reason) < 500, found.reason
        read.append(found)
    (harmed / file).write_text(before)
    return read


def assert_compared(good, found, harmed):
    """Assert that a report of the good runs and those that could be read is made, and names each of the others."""
    runs = [*good, *(one for one in found if isinstance(one, Run))]
    document = compare(runs, [one for one in found if isinstance(one, Skipped)], QUICK)
    document |= {"x": "env_steps", "command": "", "configurations": describe_configurations(runs, document)}
    names = {one["folder"] for one in document["runs"]} | {one["name"] for one in document["skipped"]}
    assert names == {one.name for one in (*good, *found)}
    assert {one.name for one in good} <= {one["folder"] for one in document["runs"]}
    assert all(name.isprintable() and len(name) < 400 for name in document["groups"])
    assert "</script><b>" not in make_page(document)
    assert_ranked([run for run in runs if len(run.series(EVALUATION)[0].x)])


def assert_ranked(runs):
    """Assert that a leaderboard of runs is made, every run on it once, and that none is more than text there."""
    entries = []
    for place in place_runs(runs, None):
        protocol = protocol_of(place.run, lambda agent: learning_options(CONFIG), ["agent.learning_rate"])
        entries.append(Entry(place.run, protocol, place.task, "odd"))
    document = make_document(entries, [], QUICK, ["gru"]) | {"command": "", "free": []}
    cells = [cell for board in document["boards"] for row in board["rows"] for cell in row["cells"].values()]
    assert sum(len(cell["seeds"]) for cell in cells) == len(runs)
    without_code = re.sub("`[^`\n]*`", "", make_tables(document))
    for text in (make_leaderboard_page(document), without_code):
        assert "<b>" not in text and "\x1b" not in text and "\u202e" not in text


CONFIG = composed(*WORDS).values | {"seed": 2}
PLACES = list(places(CONFIG))


def test_odd_values_in_every_place_of_a_configuration(others):
    good, harmed = others
    left_out = 0
    for number, place in enumerate(PLACES):
        values = ODD[number % 2 :: 2]  # every second one, the others in the next place
        found = read_all(
            harmed, "config.yaml", [yaml_text(with_odd(CONFIG, place, value)) for value in values]
        )
        assert_compared(good, found, harmed)
        left_out += sum(isinstance(one, Skipped) for one in found)
    assert len(PLACES) > 50 and left_out > 80


@pytest.mark.parametrize(
    ("file", "document"),
    [("versions.json", VERSIONS), ("sizes.json", SIZES), ("command.json", vars(COMMAND))],
)
def test_odd_values_in_every_place_of_a_small_file(others, file, document):
    good, harmed = others
    changed = [json.dumps(with_odd(document, place, value)) for place in places(document) for value in ODD]
    whole = [*map(json.dumps, ODD), "", "{", "\x00", "[" * 100_000, '{"\\ud800": "\\ud800"}', "9" * 5000]
    found = read_all(harmed, file, [*changed, *whole])
    assert_compared(good, found, harmed)
    assert sum(isinstance(one, Skipped) for one in found) > 30


LINE = {
    "env_steps": 2000,
    "charts/episodic_return": 0.5,
    "time/collect_seconds": 1.0,
    "time/update_seconds": 1.0,
}


def test_odd_values_in_lines_of_metrics(others):
    good, harmed = others
    before, after = (
        json.dumps({"env_steps": steps, "charts/episodic_return": 0.1}) for steps in (1000, 3000)
    )
    odd = [json.dumps(LINE | {key: value}) for key in (*LINE, "losses/x") for value in ODD]
    odd += [*map(json.dumps, ODD), "[" * 100_000, '"' + "x" * 2_000_000, "\x00", '{"env_steps": ']
    odd += [
        '{"env_steps": 1e400}',
        json.dumps(LINE | {"env_steps": 3001}),
        json.dumps({"k" * 9999: "x"} | LINE),
    ]
    found = read_all(harmed, "metrics.jsonl", [f"{before}\n{line}\n{after}\n" for line in odd])
    assert_compared(good, found, harmed)
    assert sum(isinstance(one, Skipped) for one in found) > 80


# Where it is not stored what a run was asked for, its folder and its configuration tell.
UNNAMED = [
    (("env", "name"), "$$"),
    (("core", "_target_"), "e" * 400),
    (("core", "_target_"), "a.b=c"),
    (("agent", "learning_rate"), "${oc.env:HOME}"),
    (("agent", "learning_rate"), NESTED),
    (("seed",), 3),
    (("logging",), "x"),
    (("evaluation",), None),
]


def test_odd_values_where_the_choices_are_not_stored(others, tmp_path):
    good, harmed = others
    runs = [write_run(tmp_path, seed=2, name=str(number)) for number in range(len(UNNAMED))]
    for folder, (place, value) in zip(runs, UNNAMED, strict=True):
        (folder / "config.yaml").write_text(yaml_text(with_odd(CONFIG, place, value)))
        (folder / "command.json").unlink()
    assert_compared(good, [read_run(folder) for folder in runs], harmed)
