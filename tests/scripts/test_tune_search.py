"""A search with runs that are only played: what is drawn, reported, ended early, and gone on with after a kill."""

import json

import pytest
import yaml

from engram.command_line.config import compose_config
from engram.common.errors import UsageError
from engram.scripts.sweeps.loop import run_trials
from engram.scripts.tuning.manifest import keep_manifest
from engram.scripts.tuning.plan import make_search_plan
from engram.scripts.tuning.results import nested_options, ranked, write_results
from engram.scripts.tuning.search import Search
from engram.scripts.tuning.study import FINISHED, PRUNED, RUNNING, Study
from run_files import RECALL, TINY

pytest.importorskip("optuna")
WORDS = [word for word in TINY if not word.startswith("evaluation.interval")]
WORDS += [*RECALL, "evaluation.interval=100", "startup_trials=2", "warmup_evaluations=0"]


def plan_of(tmp_path, *words):
    return make_search_plan([*WORDS, f"dir={tmp_path}/search", *words])


def study_of(plan):
    plan.directory.mkdir(parents=True, exist_ok=True)
    return Study(plan.directory, plan.space, plan.search, evaluations=6)


class Players:
    """Trials that write the evaluations of `returns(options)`, one at each look, and then end.

    `dies_at` looks, as if the search was killed.
    """

    def __init__(self, returns, dies_at=None):
        self.returns, self.dies_at = returns, dies_at
        self.running, self.started, self.stopped, self.looks = {}, [], [], 0

    def has_room(self):
        return len(self.running) < 1

    def start(self, name, words, log):
        options = dict(word.split("=", 1) for word in words[1:])
        self.started.append(name)
        self.running[name] = (words[0], iter(enumerate(self.returns(options), start=1)))

    def ended(self):
        self.looks += 1
        if self.looks == self.dies_at:
            raise KeyboardInterrupt
        ended = []
        for name, (folder, evaluations) in list(self.running.items()):
            found = next(evaluations, None)
            if name in self.stopped or found is None:
                ended.append((name, 143 if name in self.stopped else 0))
                del self.running[name]
                continue
            write_evaluation(folder, *found)
        return ended

    def stop(self, name=None):
        self.stopped.append(name)

    def close(self):
        pass


def write_evaluation(folder, number, value):
    from pathlib import Path

    path = Path(folder)
    if number == 1:
        path.mkdir(parents=True, exist_ok=True)
        values = compose_config("train", [*TINY, "evaluation.interval=100"]).values
        (path / "config.yaml").write_text(yaml.safe_dump(values))
        (path / "metrics.jsonl").write_text("")
    with (path / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"env_steps": 100 * number, "eval/episodic_return": value}) + "\n")


@pytest.fixture(autouse=True)
def every_look_reports(monkeypatch):
    """The loop asks the search at every look, and does not wait between."""
    monkeypatch.setattr("engram.scripts.sweeps.loop._POLL_SECONDS", 0.0)
    monkeypatch.setattr("engram.scripts.sweeps.loop.LOOK_SECONDS", 0.0)


def search_with(plan, returns, dies_at=None):
    """Search until the end, or until it is killed; returns the players and the study as it is on the disk."""
    players, study = Players(returns, dies_at), study_of(plan)
    search = Search(plan, study, [], lambda: write_results(plan, study.records()))
    try:
        run_trials(search, players, 0, lambda entry: None)
    except KeyboardInterrupt:
        assert dies_at is not None
    return players, study_of(plan).records()


def rising(options):
    """The nearer the rate is to 0.01, the higher is the curve."""
    return [float(options["agent.learning_rate"]) * step for step in range(1, 7)]


def test_the_best_is_found_and_written(tmp_path):
    plan = plan_of(tmp_path, "agent.learning_rate=1e-4..1e-2:log", "trials=12", "pruner=none")
    players, records = search_with(plan, rising)
    assert len(records) == len(players.started) == 12 and {one.state for one in records} == {FINISHED}
    rates = [float(one.values["agent.learning_rate"]) for one in records]
    assert len(set(rates)) == 12 and all(1e-4 <= rate <= 1e-2 for rate in rates)
    assert records[0].score == pytest.approx(rates[0] * 3.5)  # the mean height of a line from 1 to 6
    assert max(rates[8:]) > 0.5 * 1e-2  # what tpe draws once it has seen some
    best = ranked(plan, records)[0]
    assert best.values["agent.learning_rate"] == str(max(rates))
    stored = yaml.safe_load((plan.directory / "best.yaml").read_text())
    assert stored["agent"]["learning_rate"] == max(rates) and stored["core"] == {
        "hidden_size": 16,
        "name": "lstm",
    }
    found = json.loads((plan.directory / "search.json").read_text())
    assert [one["score"] for one in found["configurations"]] == [one.score for one in records]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_killed_search_repeats_nothing(tmp_path, sampler):
    words = (
        "agent.learning_rate=1e-4..1e-2:log",
        "seed=0..1",
        "trials=4",
        "pruner=none",
        f"tune.sampler={sampler}",
    )
    plan = plan_of(tmp_path, *words)
    whole, expected = search_with(plan_of(tmp_path / "whole", *words), rising)
    first, begun = search_with(plan, rising, dies_at=18)  # in the first run of the second configuration
    assert [one.state for one in begun] == [FINISHED, RUNNING]
    second, records = search_with(plan, rising)
    assert [one.values for one in records] == [one.values for one in expected]
    assert [one.score for one in records] == [one.score for one in expected]
    assert first.started + second.started[1:] == whole.started and second.started[0] == first.started[-1]


def test_worse_configurations_are_ended_early(tmp_path):
    plan = plan_of(tmp_path, "agent.learning_rate=0.008,0.009,0.001,0.01", "trials=4", "tune.sampler=grid")
    players, records = search_with(plan, rising)
    assert [one.state for one in records] == [FINISHED, FINISHED, PRUNED, FINISHED]
    assert players.stopped == ["diagnostic/recall_first/ppo-lstm/0-agent.learning_rate-0.001"]
    assert 1 <= records[2].steps < 6


def test_a_grid_is_tried_once_and_seeds_are_averaged(tmp_path):
    words = (
        "agent.learning_rate=0.001,0.002",
        "agent.gamma=0.5,0.9",
        "seed=0..2",
        "tune.sampler=grid",
        "pruner=none",
    )
    plan = plan_of(tmp_path, *words, "trials=50")
    players, records = search_with(plan, lambda options: [float(options["seed"])] * 6)
    assert [tuple(one.values.values()) for one in records] == [
        ("0.001", "0.5"),
        ("0.001", "0.9"),
        ("0.002", "0.5"),
        ("0.002", "0.9"),
    ]
    assert [one.score for one in records] == [1.0] * 4 and len(players.started) == 12


def test_an_experiment_is_searched(tmp_path):
    plan = make_search_plan(["experiment=core_comparison_learning_rate", "core=gru", f"dir={tmp_path}"])
    assert {key: str(one) for key, one in plan.space.items()} == {
        "agent.learning_rate": "0.0003,0.001,0.002,0.004,0.008,0.016"
    }
    runs = plan.runs_of({"agent.learning_rate": "0.002"})
    assert [run.folder.as_posix() for run in runs] == [
        f"popgym/{task}_easy/ppo-gru/100-agent.learning_rate-0.002"
        for task in ("repeat_previous", "autoencode")
    ]


def test_a_search_keeps_what_it_is(tmp_path):
    words = ("agent.learning_rate=1e-4..1e-2:log", "seed=0..1")
    plan = plan_of(tmp_path, *words)
    plan.directory.mkdir()
    keep_manifest(plan)
    keep_manifest(plan_of(tmp_path, *words, "trials=99", "pruner=none"))
    for other, sentence in (
        (["seed=0..2"], r"says seed=0,1, but got seed=0,1,2"),
        (["agent.gamma=0.5,0.9"], r"says agent\.gamma=nothing, but got agent\.gamma=0\.5,0\.9"),
        (["agent.gamma=0.5"], r"says agent\.gamma=0\.95, but got agent\.gamma=0\.5"),
        (["score=last"], r"says tune\.score=area, but got tune\.score=last"),
    ):
        with pytest.raises(UsageError, match=sentence):
            keep_manifest(plan_of(tmp_path, *words, *other))


def test_a_damaged_study_is_named(tmp_path):
    plan = plan_of(tmp_path, "agent.gamma=0.5,0.9")
    plan.directory.mkdir()
    (plan.directory / "study.db").write_text(
        "no database at all, only a text that is long enough to be looked at" * 9
    )
    with pytest.raises(UsageError, match=r"study\.db is not \("):
        study_of(plan)


@pytest.mark.parametrize(
    ("words", "nested"),
    [
        (["core=gru", "seed=1"], {"core": "gru", "seed": 1}),
        (["core=gru", "+core.x=1e-3"], {"core": {"name": "gru", "+x": 0.001}}),
        (["++agent.a.b=[1,2]"], {"agent": {"a": {"++b": [1, 2]}}}),
    ],
)
def test_words_as_a_file(words, nested):
    assert nested_options(words) == nested
