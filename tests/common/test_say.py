"""Whatever a name holds, a terminal is only shown it: one place prints, and every command prints through it."""

import ast
import io
import sys
import warnings
from pathlib import Path

import pytest
from rich.console import Console

import engram
from engram.common.say import say, say_fault
from engram.scripts.faults.errors import run
from engram.scripts.sweeps.grid import Trial
from engram.scripts.sweeps.loop import FAILED, TrialStatus
from engram.scripts.sweeps.table import SweepTable
from engram.scripts.train import command as train

ODD = "a\x1b[31mb\u202ec\nd\te\x9bf\x07\udcffg é 日本 ­"
SHOWN = r"a\x1b[31mb\u202ec\nd"


def test_what_a_terminal_would_obey_is_an_escape(capsys):
    say(ODD, "second")
    say("third", file=sys.stderr)
    say()
    printed = capsys.readouterr()
    first, second, empty = printed.out.splitlines()
    assert first.startswith(SHOWN) and first.endswith(r"e\x9bf\x07\udcffg é 日本 \xad")
    assert (second, empty, printed.err) == ("second", "", "third\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_stream_of_few_letters_takes_all(encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    say("日本 → é", file=stream)
    stream.flush()
    assert rb"\u65e5\u672c \u2192" in stream.buffer.getvalue()


def test_an_error_is_one_line(capsys):
    assert train([f"no {ODD}=here"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and r"a\x1b[31mb" in line and "\x1b" not in line


def test_warnings_and_tracebacks_are_shown(capsys):
    run(lambda words: None, [])
    text = warnings.formatwarning(UserWarning(f"see {ODD}"), UserWarning, "file.py", 1)
    assert text.startswith("warning: see a\\x1b[31mb\\u202ec\n") and text.endswith("\n")
    say_fault(ValueError, ValueError(ODD), None)
    printed = capsys.readouterr().err
    assert printed.startswith("ValueError: a\\x1b[31mb\\u202ec\n") and "\x1b" not in text + printed


def test_an_error_that_nothing_catches_is_printed_so(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    run(lambda words: None, [])
    assert sys.excepthook is say_fault


def test_the_table_of_a_sweep_shows_names_as_they_are():
    values = {"agent": "ppo", "core": "gru", "env": "a[bold]\x1b[31m", "seed": "0"}
    entry = TrialStatus(Trial(values), Path("x"), Path("y"), status=FAILED, reason=ODD)
    stream = io.StringIO()
    Console(file=stream, width=200).print(SweepTable([entry]).table())
    text = stream.getvalue()
    assert r"a[bold]\x1b[31m/ppo-gru/0" in text and SHOWN in text and "\x1b" not in text


def test_nothing_else_prints():
    """Rich is given text made printable (`sweeps/table.py`) or numbers (`progress.py`)."""
    root = Path(engram.__file__).parent
    printing = {
        path.relative_to(root).as_posix()
        for package in root.glob("*/__init__.py")
        for path in package.parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("print", "sys.stdout.write", "sys.stderr.write")
    }
    assert printing == {"common/say.py"}
