"""A profile says where the time goes, and changes nothing of the run."""

import gzip
import json
from types import SimpleNamespace

import pytest
import torch
from torch.profiler import ProfilerActivity, profile, record_function

from engram.training import profiling
from engram.training.profiling import busy_seconds, profiled, summary_lines


class Counted:
    """Stands for agent, driver and environments, and learns from the second iteration on."""

    def __init__(self):
        self.num_updates, self.env_steps, self.device = 0, 0, torch.device("cpu")
        self.env, self.products = self, 0

    def step_sampled(self):
        self.products += 1
        return torch.ones(300, 300) @ torch.ones(300, 300)

    def collect(self):
        self.env_steps += 8
        self.step_sampled()

    def update(self):
        self.num_updates += 1
        return torch.ones(500, 500) @ torch.ones(500, 500)


def run(folder, iterations, updates=1):
    parts = Counted()
    methods = parts.collect, parts.update, parts.step_sampled
    with profiled(SimpleNamespace(agent=parts, driver=parts), folder):
        for iteration in range(iterations):
            parts.collect()
            for _ in range(updates if iteration > 0 else 0):
                parts.update()
    assert (parts.collect, parts.update, parts.step_sampled) == methods and parts.products == iterations


def test_two_iterations_after_the_warm_up(tmp_path, capsys):
    run(tmp_path, 20)
    said = capsys.readouterr().err
    assert said.startswith("profile of 16 environment steps in ")
    assert (tmp_path / "profile" / "summary.txt").read_text() in said
    trace = json.loads(gzip.decompress((tmp_path / "profile" / "trace.json.gz").read_bytes()))
    names = [event["name"] for event in trace["traceEvents"] if event.get("cat") == "user_annotation"]
    assert names.count("collect") == names.count("environments") == names.count("update") == 2
    lines = {line.split("  ")[0]: line for line in said.splitlines()}
    assert {"collect", "update", "other", "aten::mm"} <= lines.keys() and "  of it environments" in said


def test_of_many_updates_the_first_are_in_the_profile(tmp_path, capsys):
    run(tmp_path, 6, updates=15)
    assert capsys.readouterr().err.startswith("profile of 16 environment steps")
    trace = json.loads(gzip.decompress((tmp_path / "profile" / "trace.json.gz").read_bytes()))
    names = [event["name"] for event in trace["traceEvents"] if event.get("cat") == "user_annotation"]
    assert (names.count("collect"), names.count("update")) == (2, profiling.UPDATES) == (2, 20)


def test_a_run_that_is_too_short(tmp_path, capsys):
    run(tmp_path, profiling.WARM_UP)
    assert "no profile: a run is profiled from its iteration 4 on" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    run(tmp_path, profiling.WARM_UP + 2)  # ended within the profile
    assert capsys.readouterr().err.startswith("profile of 8 environment steps")


def test_shares_are_of_the_whole():
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for name in ("collect", "update"):
            with record_function(name):
                torch.ones(400, 400) @ torch.ones(400, 400)
    lines = summary_lines(profiler, 100.0, on_cuda=False)
    shares = {line[:40].strip(): float(line[-8:].strip().rstrip("%")) for line in lines[1:5]}
    assert shares["other"] > 99 and shares["of it environments"] == 0
    assert lines[6].startswith("operation, by its own time") and any("aten::mm" in line for line in lines[7:])


@pytest.mark.parametrize(
    ("intervals", "expected"), [([], 0), ([(3, 4), (0, 2), (1, 2.5), (1.2, 1.3)], 3.5), ([(0, 5), (1, 2)], 5)]
)
def test_a_device_is_busy_while_one_kernel_runs(intervals, expected):
    assert busy_seconds(intervals) == expected
