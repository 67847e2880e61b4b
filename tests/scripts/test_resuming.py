"""What a continued run keeps, what it may be given anew, and what a finished schedule means."""

import math
import shlex

import pytest
import yaml

from engram import agents
from engram.command_line.resuming import (
    allow_words,
    is_resumable,
    resume_command,
    resumed_config,
    schedule_note,
    store_changes,
)
from engram.common.errors import UsageError
from engram.run_files.run_folder import stored_config
from run_files import RECALL, TINY, assert_same_run, metric_lines

STORED = {
    "agent": {"_target_": "engram.agents.PPO", "learning_rate": 3e-4, "learning_rate_schedule": "linear"},
    "core": {"_target_": "engram.memory_cores.GRU"},
    "env": {"_target_": "engram.envs.RecallFirst"},
    "seed": 0,
    "num_envs": 4,
    "total_env_steps": 600,
    "schedule_env_steps": 600,
    "device": "cpu",
    "evaluation": {"interval": 200, "episodes": 4},
    "checkpoint": {"interval": 200},
    "allow": ["my_package"],
}


@pytest.fixture
def run_dir(tmp_path):
    """A run's folder of an earlier version, as far as its configuration goes."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(STORED, sort_keys=False))
    return tmp_path


def test_a_run_of_an_earlier_version_has_the_defaults_of_later_options(run_dir):
    config = stored_config(run_dir)
    assert config["evaluation"] == {"interval": 200, "episodes": 4, "max_episode_steps": 10_000, "env": {}}
    assert config["checkpoint"] == {"interval": 200, "interval_minutes": 5}
    assert resumed_config(run_dir, [])["allow"] == []


def test_what_may_be_given_anew_and_what_not(run_dir):
    words = ["total_env_steps=900", "schedule_env_steps=1_800", "agent.learning_rate=6e-4"]
    words += ["agent.learning_rate_schedule=constant", "checkpoint.interval_minutes=null", "threads=1"]
    assert all(map(is_resumable, words))
    config = resumed_config(run_dir, words[:-1])
    assert (config["total_env_steps"], config["schedule_env_steps"]) == (900, 1800)
    assert config["agent"] == STORED["agent"] | {"learning_rate": 6e-4, "learning_rate_schedule": "constant"}
    assert config["checkpoint"] == {"interval": 200, "interval_minutes": None}
    for word in (
        "agent.gamma=0.9",
        "seed=1",
        "num_envs=8",
        "core=gru",
        "env.delay=4",
        "evaluation.interval=1",
    ):
        with pytest.raises(
            UsageError, match=r"only total_env_steps, schedule_env_steps, agent.learning_rate"
        ):
            resumed_config(run_dir, [word])


def test_what_changes_learning_is_kept(run_dir):
    """So that the next continuation, without a word, does not go back to the old rate."""
    words = ["total_env_steps=900", "schedule_env_steps=1800", "agent.learning_rate=6e-4"]
    store_changes(run_dir, resumed_config(run_dir, [*words, "device=cuda", "checkpoint.interval=7"]))
    changed = {"total_env_steps": 900, "schedule_env_steps": 1800}
    agent = STORED["agent"] | {"learning_rate": 6e-4}
    assert yaml.safe_load((run_dir / "config.yaml").read_text()) == STORED | changed | {"agent": agent}
    before = (run_dir / "config.yaml").stat().st_mtime_ns
    store_changes(run_dir, resumed_config(run_dir, []))
    assert (run_dir / "config.yaml").stat().st_mtime_ns == before


def test_the_command_to_continue_survives_a_shell(tmp_path):
    command = resume_command(tmp_path / "a run", ["agent=ppo", "allow=[my_package]", "total_env_steps=5"])
    words = ["engram", "train", f"resume={tmp_path}/a run", "allow=[my_package]"]
    assert shlex.split(command) == words


@pytest.mark.parametrize(
    ("schedule", "end", "total", "steps", "expected"),
    [
        ("linear", 600, 600, 0, None),
        ("linear", 900, 600, 300, None),
        ("constant", 600, 900, 600, None),
        ("linear", 600, 600, 640, None),  # at its end already: nothing is learnt anyway
        ("linear", 600, 1200, 640, "ended at step 600: from there to step 1,200 the rate is 0"),
        (
            "linear",
            600,
            1200,
            300,
            "ends at step 600, before the run does: from there to step 1,200 the rate",
        ),
    ],
)
def test_a_finished_schedule_says_what_it_means(schedule, end, total, steps, expected):
    agent = {"learning_rate_schedule": schedule}
    note = schedule_note({"agent": agent, "schedule_env_steps": end, "total_env_steps": total}, steps)
    if expected is None:
        assert note is None
    else:
        assert expected in note and "give schedule_env_steps=1200 or more" in note


def test_a_linear_run_goes_on_with_another_schedule_and_rate(run, tmp_path):
    linear = "agent.learning_rate_schedule=linear"
    first = run("train", *TINY, *RECALL, linear, "total_env_steps=200", f"logging.run_dir={tmp_path / 'a'}")
    assert first.code == 0 and "note:" not in first.err, first.err
    done = metric_lines(tmp_path / "a")
    assert all(float(line["optim/learning_rate"]) > 0 for line in done)
    idle = run("train", f"resume={tmp_path / 'a'}", "total_env_steps=400")
    assert idle.code == 0 and idle.err.count("ended at step 200") == 1, idle.err
    lines = metric_lines(tmp_path / "a")
    assert all(float(line["optim/learning_rate"]) == 0 for line in lines[len(done) :])
    words = ("total_env_steps=600", "schedule_env_steps=1200", "agent.learning_rate=6e-4")
    again = run("train", f"resume={tmp_path / 'a'}", *words)
    assert again.code == 0 and "note:" not in again.err, again.err
    steps = [int(line["env_steps"]) for line in metric_lines(tmp_path / "a")]
    rates = [float(line["optim/learning_rate"]) for line in metric_lines(tmp_path / "a")]
    for before, rate in list(zip(steps[:-1], rates[1:], strict=True))[len(lines) - 1 :]:
        assert math.isclose(rate, 6e-4 * (1 - before / 1200)) and rate > 0
    stored = yaml.safe_load((tmp_path / "a" / "config.yaml").read_text())
    assert (stored["total_env_steps"], stored["schedule_env_steps"]) == (600, 1200)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["seed=1"], []),
        (["env.id=my_envs.parts:My-v0"], ["allow=[my_envs]"]),
        (["env.id=CartPole-v1", "allow=[a,b]"], ["allow=[a,b]"]),
        (["allow=[a]", "++env.id=a:My-v0"], ["allow=[a]"]),
        (["allow=[a]", "env.id=b:My-v0"], ["allow=[a,b]"]),
        (["allow=null", "env.id=engram.envs:engram/TMaze-v0"], []),
        (
            ["logging.mlflow.tracking_uri=http://a:1", "logging.to=[mlflow]"],
            ["logging.mlflow.tracking_uri=http://a:1"],
        ),
    ],
)
def test_a_continued_run_is_allowed_what_its_first_command_named(words, expected):
    assert allow_words(words) == expected


def test_what_is_stored_stands_for_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "s3cret")
    texts = [
        "${oc.env:SECRET}",
        "${seed}",
        "${",
        "???",
        "${oc.decode:'${oc.env:SECRET}'}",
        "${now:%Y}",
        "\\${seed}",
    ]
    stored = STORED | {"env": {"_target_": "engram.envs.RecallFirst", "texts": texts}, "allow": ["os"]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(stored))
    config = resumed_config(tmp_path, ["total_env_steps=7"])
    assert config["env"]["texts"] == texts and config["allow"] == [] and config["total_env_steps"] == 7


def test_a_run_keeps_its_precision(run, tmp_path):
    rate = "agent.learning_rate_schedule=constant"  # a longer run alone would have another one
    words = (*TINY, rate, "agent.precision=bfloat16", "total_env_steps=200", f"logging.runs_dir={tmp_path}")
    assert run("train", *words).code == 0
    (folder,) = (path.parent for path in tmp_path.rglob("checkpoints"))
    assert agents.load(folder).settings.precision == "bfloat16"
    refused = run("train", f"resume={folder}", "agent.precision=float32")
    assert refused.code == 2 and "keeps its own configuration" in refused.err
    single = (
        *TINY,
        rate,
        "agent.precision=float32",
        "total_env_steps=400",
        f"logging.runs_dir={tmp_path / 'single'}",
    )
    assert run("train", *single).code == run("train", f"resume={folder}", "total_env_steps=400").code == 0
    (other,) = (path.parent for path in (tmp_path / "single").rglob("checkpoints"))
    name = "losses/value"
    continued, straight = (metric_lines(one)[-1][name] for one in (folder, other))
    assert continued != straight and float(continued) == pytest.approx(float(straight), rel=0.02)


@pytest.mark.parametrize("agent", ["impala", "pqn"])
def test_other_agents_go_on_to_the_bit(run, tmp_path, agent):
    """The schedule of rates, or of random actions, too, and what only teaches."""
    words = (
        *TINY,
        *RECALL,
        f"agent={agent}",
        "agent.learning_rate_schedule=linear",
        "agent.auxiliary.reconstruction.coef=1",
        "agent.auxiliary.self_prediction.coef=1",
        "agent.auxiliary.self_prediction.target=ema",
        "evaluation.interval=200",
    )
    whole = run("train", *words, "total_env_steps=800", f"logging.run_dir={tmp_path / 'whole'}")
    assert whole.code == 0, whole.err
    half = ("total_env_steps=400", "schedule_env_steps=800", f"logging.run_dir={tmp_path / 'half'}")
    assert run("train", *words, *half).code == 0
    assert run("train", f"resume={tmp_path / 'half'}", "total_env_steps=800").code == 0
    assert_same_run(tmp_path / "half", tmp_path / "whole")
