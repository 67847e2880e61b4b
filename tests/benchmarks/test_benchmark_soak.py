"""The soak measures and judges processes and numbers that are known; the soaks themselves take ten minutes each."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engram.benchmarks import command as benchmark
from engram.benchmarks.processes import family, held_by, running
from engram.benchmarks.soak import _ALWAYS, CASES, _is_flat
from engram.benchmarks.trend import fit_trend, has_grown, rises_little
from engram.command_line.config import compose_config
from engram.command_line.options import TrainOptions
from engram.common.checked import check_options

LINUX = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads /proc")
MIB = 2**20


def test_a_line_is_fitted():
    trend = fit_trend([0, 1, 2, 3, 4, 5, 6, 7], [10, 12, 14, 16, 18, 20, 22, 24])
    assert (trend.per_minute, trend.error, trend.first, trend.last) == (2, 0, 11, 23)
    still = fit_trend([0, 1, 2, 3], [6, 6, 6, 6])
    assert (still.per_minute, still.error, still.first, still.last) == (0, 0, 6, 6)
    wavy = fit_trend([0, 1, 2, 3], [1, -1, -1, 1])
    # Residuals 1, -1, -1, 1 over n - 2 = 2 and the sum of squared distances from 1.5, which is 5.
    assert wavy.per_minute == 0 and wavy.error == pytest.approx((4 / 2 / 5) ** 0.5)


def test_what_grows_is_not_flat():
    minutes = [float(minute) for minute in range(8)]
    slow = fit_trend(minutes, [1000 * MIB + minute * MIB for minute in minutes])
    fast = fit_trend(minutes, [1000 * MIB + minute * 2 * MIB for minute in minutes])
    assert rises_little(slow, 7, 0.01, 0) and not rises_little(fast, 7, 0.01, 0)
    assert rises_little(fast, 7, 0, 14 * MIB) and not rises_little(fast, 7, 0, 13 * MIB)
    assert not has_grown(fit_trend(minutes, [5, 5, 7, 5, 5, 5, 5, 5]))
    assert has_grown(fit_trend(minutes, [5, 5, 5, 5, 5, 6, 6, 6]))
    assert _is_flat("rss", fast, 7, 1) is False and _is_flat("rss", slow, 7, 5) is True
    # What a fork shares becomes private in time; rss counts it all the while.
    assert _is_flat("uss", fast, 7, 1) is False and _is_flat("uss", fast, 7, 5) is None
    assert _is_flat("uss_workers", fast, 7, 5) is False and _is_flat("files", fast, 7, 1) is False


@LINUX
def test_a_process_and_its_children_are_found_and_counted():
    code = (
        "import multiprocessing as m, subprocess, sys; shared = m.RawArray('b', 8192);"
        "child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child = int(parent.stdout.readline())
    try:
        found = family(parent.pid)
        assert [process.pid for process in found] == [parent.pid, child]
        both, names = held_by(found)
        alone, none = held_by(found[1:])
        assert (both.processes, both.threads, alone.processes, none) == (2, 2, 1, set())
        assert both.rss > both.uss + both.uss_workers > 0 and alone.uss == both.uss_workers
        assert both.files >= 6 and 8192 <= both.shared < 10 * 8192
        assert len(names) == 1 and names.pop().startswith("/dev/shm/")
    finally:
        os.kill(child, 9)
        parent.kill()
        parent.communicate()
    assert running(set(found[:1])) == set() and family(parent.pid) == [] and held_by(found[:1])[0].rss == 0


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_a_command_that_training_takes(name):
    words = [*CASES[name], *_ALWAYS, "logging.run_dir=x"]
    check_options(compose_config("train", words).values, TrainOptions)


def test_wrong_options_of_a_soak(capsys):
    assert benchmark.command(["soak", "cases=[none]"]) == 2
    assert "a list of native, sync, async, world_model, but got 'none'" in capsys.readouterr().err
    assert benchmark.command(["soak", "seconds=60", "warm_up=30"]) == 2
    assert "seconds must leave eight measurements after the warm-up" in capsys.readouterr().err


@pytest.mark.slow
@LINUX
def test_a_short_soak_leaves_nothing(tmp_path):
    output = tmp_path / "soak.json"
    words = [
        "soak",
        "cases=[async]",
        "seconds=25",
        "warm_up=12",
        "interval=1",
        f"folder={tmp_path}",
        f"output={output}",
    ]
    assert benchmark.command(words) == 0
    (result,) = json.loads(output.read_text())["results"]
    assert result["processes_started"] == 5 and result["processes_left"] == result["shared_left"] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["soak.json"]
