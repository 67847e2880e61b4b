"""The one command: its steps exist, and none of them ends another or the report."""

import importlib.metadata
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from engram.benchmarks import all as everything
from engram.benchmarks import step_runner
from engram.benchmarks.command import command, make_options
from engram.benchmarks.step_runner import StepRunner, read_tests
from engram.benchmarks.steps import Step, stages
from engram.command_line.config import compose_config
from engram.tools import bare_copy

PLANS = {device: [step for stage in stages(device) for step in stage] for device in ("cpu", "cuda")}
STEPS = [
    pytest.param(device, step, id=f"{device}-{step.name}") for device, plan in PLANS.items() for step in plan
]


@pytest.mark.parametrize(("device", "step"), STEPS)
def test_every_option_exists(device, step):
    if step.command == "pytest":
        assert device == "cuda"
        return
    assert importlib.util.find_spec(f"engram.{step.command}")
    if step.command == "benchmarks":
        assert getattr(make_options(step.words[0], step.words[1:]), "device", "cpu") == device
    else:
        assert compose_config(step.command.removeprefix("scripts."), step.words).values["device"] == device


@pytest.mark.parametrize("device", PLANS)
def test_names_are_different_and_nothing_runs_at_once_on_a_cpu(device):
    assert len({step.name for step in PLANS[device]}) == len(PLANS[device])
    assert device == "cuda" or all(len(stage) == 1 for stage in stages(device))


def test_the_most_wanted_of_a_card_fit_into_seven_minutes():
    """What works at all, with the tests, and then the goals."""
    limits = {stage[-1].name: max(step.limit for step in stage) for stage in stages("cuda")}
    names = list(limits)
    assert names[0] == "tests"
    assert sum(limits[name] for name in names[: names.index("world_model") + 1]) < 420


class Lines(StepRunner):
    """Steps are lines of Python."""

    def command(self, step):
        code = step.words[0].replace("OUTPUT", repr(str(self._path(step, "json"))))
        return [sys.executable, "-c", code]


def line(name, code, limit=30):
    return Step(name, limit, "", (code,))


@pytest.fixture
def given(monkeypatch):
    """Lets the command run these stages in place of its own."""
    monkeypatch.setattr(step_runner, "LEAST", 0)
    monkeypatch.setattr(everything, "StepRunner", Lines)
    return lambda *plan: monkeypatch.setattr(everything, "stages", lambda device: plan)


def test_a_step_that_fails_or_hangs_ends_no_other(given, tmp_path, capsys):
    output = tmp_path / "all.json"
    measures = (
        f"import os; print(os.path.exists({str(output)!r})); open(OUTPUT, 'w').write('{{\"speed\": 7}}')"
    )
    given(
        [line("fails", "raise SystemExit(3)"), line("hangs", "while True: pass", limit=1)],
        [line("measures", measures)],
    )
    assert command(["all", f"output={output}", "commit=abc"]) == 2
    assert "All steps must succeed, but fails, hangs did not" in capsys.readouterr().err
    document = json.loads(output.read_text())
    ends = [(step["step"], step["rc"]) for step in document["steps"]]
    assert ends == [("fails", 3), ("hangs", -9), ("measures", 0)]
    assert document["results"] == {"measures": {"speed": 7}}
    assert document["steps"][2]["tail"] == "True\n", "the report is there before the next step"
    assert document["commit"] == "abc" and document["config"]["minutes"] == 9 and document["versions"]


def test_only_what_is_asked_for(given, tmp_path, capsys):
    given([line("one", "print(1)"), line("two", "print(2)")], [line("three", "print(3)")])
    assert command(["all", "only=[two]", f"output={tmp_path / 'all.json'}"]) == 0
    assert [step["step"] for step in json.loads((tmp_path / "all.json").read_text())["steps"]] == ["two"]
    assert command(["all", "only=[four]"]) == 2
    assert "only must be all, or a list of one, two, three, but got 'four'" in capsys.readouterr().err


def test_what_is_run_again_takes_the_place_of_what_was(given, tmp_path):
    fails, measures = "raise SystemExit(1)", "open(OUTPUT, 'w').write('{\"speed\": 7}')"
    given([line("one", measures), line("two", fails)])
    words = ["all", f"output={tmp_path / 'all.json'}"]
    assert command(words) == 2
    given([line("one", fails), line("two", measures)])
    assert command([*words, "only=[two]"]) == 0
    document = json.loads((tmp_path / "all.json").read_text())
    assert [(step["step"], step["rc"]) for step in document["steps"]] == [("one", 0), ("two", 0)]
    assert document["results"] == {"one": {"speed": 7}, "two": {"speed": 7}}


def test_nothing_begins_that_cannot_end(tmp_path):
    runner = Lines(tmp_path, seconds=1)
    runner.run([line("late", "print('begun')")])
    assert runner.steps == [{"step": "late", "rc": None, "seconds": 0, "tail": "no time was left"}]


def test_a_signal_ends_what_runs(given, tmp_path):
    """And what that has started; nothing else begins."""
    pid, output = tmp_path / "pid", tmp_path / "all.json"
    code = (
        "import os, subprocess, signal; "
        f"open({str(pid)!r}, 'w').write(str(subprocess.Popen(['sleep', '60']).pid)); "
        f"os.kill({os.getpid()}, signal.SIGTERM); "
        "signal.pause()"
    )
    given([line("asks", code)], [line("late", "print('begun')")])
    assert command(["all", f"output={output}"]) == 128 + signal.SIGTERM
    assert [(step["step"], step["rc"]) for step in json.loads(output.read_text())["steps"]] == [("asks", -9)]
    state = Path("/proc", pid.read_text(), "stat")
    assert not state.exists() or ") Z" in state.read_text()


def test_without_a_device_it_is_one_sentence(tmp_path, capsys):
    assert command(["all", "device=cuda:99", f"output={tmp_path / 'all.json'}"]) == 2
    assert "The device must be one of cpu" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_copy_of_any_name_runs_without_being_installed(tmp_path):
    copy = tmp_path / "copy of it"
    copy.symlink_to(bare_copy.ROOT)
    command = [sys.executable, str(copy / "tools" / "bare_copy.py"), "all", "--help"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "minutes" in done.stdout, done.stderr
    command[-2:] = ["cores", "cores=[mlstm]", "hidden_size=8"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: inner_size of MLSTM must be"), done.stderr


def test_wheels_must_be_there(tmp_path):
    with pytest.raises(SystemExit, match="holds none; get them with --download"):
        bare_copy.main(["--wheels", str(tmp_path), "all"])


def closure(names):
    """Distributions with all that they need, as `pip` would install them here."""
    found, waiting = set(), [Requirement(name) for name in names]
    while waiting:
        asked = waiting.pop()
        key = canonicalize_name(asked.name), *sorted(asked.extras)
        if key in found:
            continue
        found.add(key)
        for line in importlib.metadata.requires(asked.name) or ():
            needed, extras = Requirement(line), asked.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return {name for name, *_ in found}


def test_wheels_are_carried_of_all_that_a_bare_machine_lacks():
    project = tomllib.loads((bare_copy.ROOT / "pyproject.toml").read_text())["project"]
    lacks = closure([*project["dependencies"], "torchrl"]) - closure(bare_copy.EXPECTED)
    carried = {canonicalize_name(name.split("==")[0]) for name in bare_copy.CARRIED}
    assert carried - {"labmaze"} == lacks  # which Memory Maze's own layouts are held against


def test_failed_tests_are_named():
    text = (
        '<testsuites><testsuite name="pytest" errors="0" failures="1" skipped="2" tests="5" time="1.0">'
        '<testcase classname="tests.test_a" name="test_b" time="0.1">'
        '<failure message="assert 1 == 2">the lines before\nE  assert 1 &gt; 2</failure></testcase>'
        '<testcase classname="tests.test_a" name="test_c" time="0.1"/></testsuite></testsuites>'
    )
    counts = {"errors": 0, "failures": 1, "skipped": 2, "tests": 5}
    failed = [("tests.test_a", "test_b", "the lines before\nE  assert 1 > 2")]
    assert read_tests(text) == {**counts, "failed": failed}
    assert read_tests(text[:200]) == {"failed": []}
