"""Signals that ask a run to end, in processes of their own."""

import signal
import subprocess
import sys
import time

import pytest
from command_server import ROOT

from engram.training.stop_request import SAME_REQUEST_SECONDS

# Prints a line when it is ready, and goes on for a while after it was asked to end.
PROGRAM = """
import sys, time
from engram.scripts.faults.errors import run
from engram.training.stop_request import StopRequest

def main(words):
    with StopRequest("asked") as stop:
        print("ready", flush=True)
        while not stop.is_asked():
            time.sleep(0.01)
        print("saving", flush=True)
        if words:
            time.sleep(60)
    raise stop.error()

sys.exit(run(main))
"""


def as_from_a_terminal():
    """Whoever runs the tests may ignore some, as under nohup, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def start(*words, before=as_from_a_terminal):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(one, marks=pytest.mark.slow) for one in (signal.SIGINT, signal.SIGHUP))],
)
def test_the_first_signal_is_noted_and_a_second_ends_at_once(number):
    """But for those that come with the first, as from a terminal that is closed."""
    one, other = start(), start("slow")
    for process in (one, other):
        process.send_signal(number)
        assert process.stdout.readline() == "saving\n"
    other.send_signal(signal.SIGHUP)
    time.sleep(1.2 * SAME_REQUEST_SECONDS)
    assert other.poll() is None
    other.send_signal(number)
    expected = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}[number]
    for process, told in ((one, ["asked"]), (other, ["asked", "ended at once"])):
        assert process.communicate(timeout=50)[1].split("\n")[1::2] == told
        assert process.returncode == expected


def test_a_signal_that_is_ignored_stays_so():
    """As under nohup, or in the background of a script."""
    process = start(before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=50) == 143
