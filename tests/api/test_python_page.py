"""What docs/python.md shows runs, from top to bottom, and does what it says."""

import inspect
import json
import re

import pytest
import yaml
from docs_pages import ROOT, SMALL, TRAIN, blocks, small
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import engram

BLOCKS = blocks("docs/python.md")


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What there is after the page, and every run that it made."""
    patch, found, runs = pytest.MonkeyPatch(), {}, []

    def train(**options):
        runs.append(small(**options))
        return runs[-1]

    with patch.context() as here:
        here.chdir(tmp_path_factory.mktemp("page"))
        here.setattr(engram, "train", train, raising=False)
        for block in BLOCKS:
            exec(block, found)
        found["config"] = [yaml.safe_load((run.path / "config.yaml").read_text()) for run in runs]
        found["lines"] = [(run.path / "metrics.jsonl").read_text().splitlines() for run in runs]
        found["checkpoint"] = engram.load(runs[-1], "best-success") if _has_success(runs[-1]) else None
        found["events"] = EventAccumulator(str(runs[-1].path / "tensorboard")).Reload().Tags()["scalars"]
        found["loaded"] = engram.load("remembers")
    return found


def _has_success(run):
    lines = map(json.loads, (run.path / "metrics.jsonl").read_text().splitlines())
    return any(line.get("eval/success_rate", 0) > 0 for line in lines)


def test_the_page_runs(names):
    assert [config["env"].get("delay", config["env"].get("id")) for config in names["config"]] == [
        *(8, 4, 2, "make_env", "make_env", 8),
    ]
    assert names["config"][1]["core"]["hidden_size"] == 64 and names["config"][1]["seed"] == 1
    assert names["config"][1]["agent"]["learning_rate"] == 1e-3
    assert type(names["agent"]) is type(names["loaded"])


def test_a_metric_of_ones_own_is_logged(names):
    assert all(0 <= json.loads(line)["reward/positive"] <= 1 for line in names["lines"][-1])
    assert "reward/positive" in names["events"]


def test_each_recipe_is_short():
    recipes = [block for block in BLOCKS if "engram.Callback)" in block]
    assert len(recipes) == 3 and all(len(block.strip().splitlines()) <= 10 for block in recipes)


def test_early_stopping(names, tmp_path):
    """Which comes after the fourth evaluation if none is better than the first, and where it was if it is resumed."""

    class NoBetter(engram.Callback):
        def on_evaluation(self, trainer, metrics):
            metrics["eval/episodic_return"] = 0.0

    options = {"env": "diagnostic/recall_first", "core": "mlp", "total_env_steps": 5_000, **SMALL} | {
        "total_env_steps": 5_000,
        "logging.run_dir": tmp_path / "run",
    }
    run = TRAIN(**options, callbacks=[NoBetter(), names["EarlyStopping"]()])
    evaluated = [line for line in (run.path / "metrics.jsonl").read_text().splitlines() if "eval/" in line]
    assert len(evaluated) == 4
    patient = names["Patient"]()
    patient.load_state_dict({"best": 0.0, "waited": 2})
    assert patient.state_dict() == {"best": 0.0, "waited": 2}


def test_a_checkpoint_rule_of_ones_own(names, tmp_path):
    class Success(engram.Callback):
        def on_evaluation(self, trainer, metrics):
            metrics["eval/success_rate"] = 0.5

    options = {"env": "diagnostic/recall_first", "core": "mlp", **SMALL, "logging.run_dir": tmp_path / "run"}
    run = TRAIN(**options, callbacks=[Success(), names["BestSuccess"]()])
    assert 0 < engram.load(run, "best-success").num_updates < engram.load(run, "latest").num_updates


def test_every_moment_is_in_the_table():
    moments = {name for name in vars(engram.Callback) if name.startswith("on_")}
    assert (
        set(re.findall(r"^\| `(on_\w+)\(", (ROOT / "docs/python.md").read_text(), flags=re.MULTILINE))
        == moments
    )
    assert {"stop", "log", "save", "agent", "env_steps", "config"} <= {
        name for name, _ in inspect.getmembers(engram.Trainer) if not name.startswith("_")
    }
