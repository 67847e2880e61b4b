"""The script for a borrowed card: its steps exist, and none of them ends another or the report."""

import importlib.util
import json
import sys

import pytest
import session
from session_steps import STAGES, Step

from engram.benchmarks.command import make_options
from engram.scripts.command_line.config import compose_config

STEPS = [step for stage in STAGES for step in stage]


@pytest.mark.parametrize(
    "step", [step for step in STEPS if step.command != "pytest"], ids=lambda step: step.name
)
def test_every_option_exists(step):
    if step.command == "benchmarks":
        assert make_options(step.words[0], step.words[1:]).device == "cuda"
    else:
        assert compose_config(step.command.removeprefix("scripts."), step.words).values["device"] == "cuda"


@pytest.mark.parametrize("command", sorted({step.command for step in STEPS} - {"pytest"}))
def test_every_command_is_a_module(command):
    assert importlib.util.find_spec(f"engram.{command}")


def test_names_are_different_and_the_most_wanted_fit_into_seven_minutes():
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert sum(max(step.limit for step in stage) for stage in STAGES[:-2]) < 420


class Fake(session.Session):
    """Steps are lines of Python."""

    def command(self, step):
        code = step.words[0].replace("OUTPUT", repr(str(self._path(step, "json"))))
        return [sys.executable, "-c", code]


@pytest.fixture
def make_session(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "LEAST", 0)
    return lambda seconds: Fake(tmp_path, tmp_path / "gpu.json", seconds)


def test_a_step_that_fails_or_hangs_ends_no_other(make_session):
    found = make_session(60)
    found.run([Step("fails", 30, "", ("raise SystemExit(3)",)), Step("hangs", 1, "", ("while True: pass",))])
    found.run([Step("measures", 30, "", ("open(OUTPUT, 'w').write('{\"speed\": 7}'); print('done')",))])
    document = json.loads(found.output.read_text())
    assert [(step["step"], step["rc"]) for step in document["steps"]] == [
        ("fails", 3),
        ("hangs", -9),
        ("measures", 0),
    ]
    assert document["results"] == {"measures": {"speed": 7}} and document["steps"][2]["tail"] == "done\n"


def test_nothing_begins_that_cannot_end(make_session):
    found = make_session(-1)
    found.run([Step("late", 30, "", ("print('begun')",))])
    (step,) = json.loads(found.output.read_text())["steps"]
    assert step == {"step": "late", "rc": None, "seconds": 0, "tail": "no time was left"}


def test_the_copy_is_imported_whatever_its_name(make_session, tmp_path):
    found = make_session(60)
    found.run([Step("imports", 30, "", ("import engram.benchmarks.command; print(engram.__file__)",))])
    (step,) = json.loads(found.output.read_text())["steps"]
    assert step["tail"] == "<scratch>/road/engram/__init__.py\n"


def test_failed_tests_are_named():
    text = (
        '<testsuite name="pytest" errors="0" failures="1" skipped="2" tests="5" time="1.0">'
        '<testcase classname="tests.test_a" name="test_b" time="0.1"><failure message="assert 1 == 2">…'
    )
    assert session.read_tests(text) == {
        "errors": 0,
        "failures": 1,
        "skipped": 2,
        "tests": 5,
        "failed": [("tests.test_a", "test_b", "assert 1 == 2")],
    }


def test_without_a_device_it_is_one_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(session, "PROBE", "raise RuntimeError('no card')")
    assert session.main(["--output", str(tmp_path / "gpu.json")]) == 2
    assert capsys.readouterr().err == (
        "A CUDA device is needed, with torch and triton for it, but: RuntimeError: no card\n"
    )
    assert not list(tmp_path.iterdir())
