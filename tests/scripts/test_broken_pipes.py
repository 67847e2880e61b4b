"""A pipe that nobody reads any more ends a command without a word only if it is the command's own output."""

import os
import sys

import pytest

from engram.scripts.faults.errors import EXIT_FAULT, run


def break_pipe(words):
    raise BrokenPipeError("of a process of the run's")


def test_another_pipe_than_the_output_is_a_fault(capsys):
    assert run(break_pipe, []) == EXIT_FAULT
    assert "BrokenPipeError: of a process of the run's" in capsys.readouterr().err


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_that_nobody_reads_is_none(stream, monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as file:
        monkeypatch.setattr(sys, stream, file)
        assert run(lambda words: print("word", file=file, flush=True), []) == EXIT_FAULT
        print("goes nowhere", file=file, flush=True)  # no other error follows at the end
