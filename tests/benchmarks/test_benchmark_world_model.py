"""The benchmark of world models runs and writes what it measured; nothing here asserts how long anything takes."""

import json

import pytest
import torch

from engram.benchmarks.command import command
from engram.benchmarks.fresh_process import _measure, peak_of
from engram.benchmarks.stopwatch import Stopwatch
from engram.benchmarks.timing import in_turn
from engram.benchmarks.world_model import make_learner, update_through
from engram.benchmarks.world_model_learners import PARTS, Problem, make_rows
from engram.benchmarks.world_model_report import Result, find_ratios, print_problem

SMALL = (
    "agent.units=8",
    "agent.num_layers=1",
    "agent.num_categoricals=2",
    "agent.imagination_horizon=2",
    "agent.free_nats=0.0",
    "agent.warmup_updates=0",
    "size.recurrent_size=16",
    "size.hidden_size=8",
    "size.state_size=8",
)
TINY = ("world_model", "sizes=[1M]", "shapes=[2x4]", "repeats=2", f"overrides={list(SMALL)}")
LEARNERS = ("r2i/observation", "gru/memory", "torchrl/gru")
SMALL_PROBLEM = Problem("1M", 3, 8, overrides=SMALL)


def test_it_writes_every_learner_and_part(tmp_path, capsys):
    output = tmp_path / "world_model.json"
    words = (f"learners=[{','.join(LEARNERS)}]", "memory=false", f"output={output}")
    assert command([*TINY, *words]) == 0
    document = json.loads(output.read_text())
    assert document["versions"]["torch"] and document["config"]["sizes"] == ["1M"]
    assert [result["learner"] for result in document["results"]] == list(LEARNERS)
    for result in document["results"]:
        assert (result["size"], result["batch_size"], result["batch_length"]) == ("1M", 2, 4)
        assert all(set(parts) == set(PARTS) for parts in result["updates"])
        assert all(result["part_seconds"][part] > 0 for part in PARTS)
        assert result["update_seconds"] > 0 and result["observe_seconds"] > 0
        assert result["num_parameters"] > 0 and result["peak"] is None
    assert [(ratio["learner"], ratio["reference"]) for ratio in document["ratios"]] == [
        ("r2i/observation", "gru/memory"),
        ("torchrl/gru", "gru/memory"),
    ]
    out = capsys.readouterr().out
    assert "load average" in out and "times faster than gru/memory: torchrl/gru" in out


@pytest.mark.slow
def test_memory_of_an_update(capsys):
    """Alone, without times."""
    words = ("learners=[r2i/observation]", "updates=false", "observe=false", "shapes=[2x64]")
    assert command([*TINY, *words]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("peak memory"))
    assert float(line.split()[3]) > float(line.split()[5]) >= 0
    print_problem(SMALL_PROBLEM, [Result(SMALL_PROBLEM, "s5/observation", 1, [], [], None, True)], None)
    assert "s5/observation      more than the limit" in capsys.readouterr().out


def fill(numel):
    """A call that holds `numel` floats for a moment."""
    return lambda: torch.ones(numel).sum()


def fail():
    raise RuntimeError("a mistake")


@pytest.mark.slow
def test_peak_memory_in_a_fresh_process():
    torch.ones(1 << 27).sum()  # half a GiB here must not count there
    peak = peak_of(fill, (1 << 24,), "cpu", None)
    assert 2**26 <= peak.peak - peak.before < 2**27 and peak.peak < 2**29
    assert peak_of(fill, (1 << 28,), "cpu", 0.9) is None


def test_what_the_machine_cannot_give_and_mistakes():
    assert _measure(fill, (1 << 44,), "cpu", None) is None
    with pytest.raises(RuntimeError, match="a mistake"):
        _measure(fail, (), "cpu", None)


def exhaust_a_device():
    def call():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 64.00 GiB.")

    return call


def test_what_a_cuda_device_cannot_give():
    assert _measure(exhaust_a_device, (), "cpu", None) is None


def test_a_stopwatch_charges_parts(monkeypatch):
    """Inner calls are charged to their own part, and the parts sum to the whole."""
    clock = iter([0.0, 1.0, 3.0, 7.0, 15.0, 31.0])
    monkeypatch.setattr("engram.benchmarks.stopwatch.now", lambda device: next(clock))

    class Work:
        def inner(self):
            return "done"

        def outer(self):
            return self.inner()

    work, watch = Work(), Stopwatch(torch.device("cpu"))
    watch.wrap(work, "inner", part="inner", before="outer")
    watch.wrap(work, "outer", part="outer", before="before")
    watch.start()
    assert work.outer() == "done"
    # before 0-1, outer until inner begins 1-3, inner 3-7, rest of outer 7-15, then the rest.
    assert watch.stop("rest") == {"before": 1.0, "outer": 10.0, "inner": 4.0, "rest": 16.0}


def test_the_whole_is_not_waited_for_in_between(monkeypatch):
    waits = []
    monkeypatch.setattr("engram.benchmarks.stopwatch.now", lambda device: waits.append(device) or 5.0)
    learner = make_learner("gru/memory", SMALL_PROBLEM)
    learner.update()
    assert len(waits) > 8
    waits.clear()
    update_through(learner)
    assert len(waits) == 2 and learner.watch.waits
    parts = [{"observe": 3.0, "losses": 4.0}]
    measured = Result(SMALL_PROBLEM, "gru/memory", 1, parts, [], None, False, wholes=[6.5])
    assert measured.totals == [6.5] and measured.as_dict()["update_seconds"] == 6.5


@pytest.mark.parametrize("name", ["r2i/observation", "gru/memory", "torchrl/gru", "torchrl/block_gru"])
def test_learners_learn(name):
    """What is timed is learning: every part of the model moves, and observing alone moves nothing."""
    learner = make_learner(name, SMALL_PROBLEM)
    if name.startswith("torchrl"):
        learner.stepper.optimizer.param_groups[0]["warmup_steps"] = 0
        modules = [learner.networks.world_model, learner.networks.actor]
    else:
        modules = [learner.agent.world_model, learner.agent.behavior.actor, learner.agent.behavior.critic]
    parameters = {name: p for module in modules for name, p in module.named_parameters()}
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}

    def unmoved():
        return {name for name, value in before.items() if torch.equal(value, parameters[name])}

    learner.observe()
    assert unmoved() == set(before)
    learner.update()
    learner.update()  # heads that begin with zeros pass no gradient on at first
    assert not {name for name in unmoved() if not name.startswith("mask_head")}


def test_the_peer_is_as_large_as_ours():
    ours, theirs = (make_learner(name, Problem("12M", 2, 4)) for name in ("gru/memory", "torchrl/gru"))
    assert 0.95 < theirs.num_parameters / ours.num_parameters < 1.05


def test_the_peer_sees_our_rows():
    learner, rows = make_learner("torchrl/gru", SMALL_PROBLEM), make_rows(SMALL_PROBLEM)
    assert rows["is_first"].sum() == 3 and torch.equal(learner.sample["is_init"][..., 0], rows["is_first"])
    assert torch.equal(learner.sample["action"].argmax(-1), rows["prev_action"])
    assert torch.equal(learner.sample["next", "observation"], rows["obs"])
    assert make_rows(Problem("1M", 1, 201))["is_first"].nonzero()[:, 1].tolist() == [0, 100, 200]


def test_fewer_rounds_when_time_is_short(monkeypatch):
    clock = iter([0.0, 4.0, 0.0, 11.0])
    monkeypatch.setattr("engram.benchmarks.timing.time.perf_counter", lambda: next(clock))
    assert in_turn({"a": lambda: 1, "b": lambda: 2}, 5, budget_s=10.0) == {"a": [1, 1], "b": [2, 2]}
    assert in_turn({"a": lambda: 1}, 5, budget_s=10.0) == {"a": [1]}


def test_ratios_are_of_the_same_round():
    def result(learner, totals, problem=SMALL_PROBLEM):
        return Result(problem, learner, 1, [{"observe": total} for total in totals], [], None, False)

    other = result("gru/memory", [9.0, 9.0, 9.0], Problem("12M", 3, 8))
    results = [result("gru/memory", [2.0, 4.0, 9.0]), result("s5/observation", [1.0, 1.0, 9.0]), other]
    (ratio,) = find_ratios(results, "gru/memory")
    assert ratio["update"] == 2.0 and ratio["observe"] is None and ratio["learner"] == "s5/observation"
    assert find_ratios(results, None) == []


@pytest.mark.parametrize(
    "words, message",
    [
        (["shapes=[16]"], "a list of one or more words, but got [16]"),
        (["shapes=[16x]"], "a list of <sequences>x<rows>, but got '16x'"),
        (["sizes=[2M]"], "but got '2M'"),
        (["learners=[gru]"], "<core>/observation, <core>/memory or torchrl/<core>, but got 'gru'"),
        (["learners=[torchrl/lstm]"], "torchrl/gru or torchrl/block_gru on vectors, but got 'torchrl/lstm'"),
        (["learners=[torchrl/gru]", "observation=image"], "on observation=image"),
        (["learners=[nothing/memory]"], "core must be one of"),
        (
            ["reference=gru/memory", "learners=[mlp/memory]"],
            "one of the learners, mlp/memory, but got 'gru/memory'",
        ),
        (["observation=sound"], "vector, image, or null, but got 'sound'"),
    ],
)
def test_wrong_options(words, message, capsys):
    assert command([*TINY, *words]) == 2
    assert message in capsys.readouterr().err
