"""A training run: its files, its numbers, and every core and option."""

import json
import math

import pytest
import torch
import yaml
from small_cores import ONE_OF_EACH_FAMILY
from tensordict import TensorDict
from toy_modules import write_modules

from engram import agents
from engram.run_files.metrics_log import read_metrics
from run_files import (
    RECALL,
    TINY,
    assert_refused,
    assert_tensorboard_follows_metrics,
    checkpoint_values,
    is_timing,
    metric_lines,
)

LOSSES = (
    "policy value entropy approximate_kl clip_fraction log_prob_difference explained_variance "
    "initial_log_prob_difference"
)
KEYS = {
    "optim/gradient_norm",
    "optim/learning_rate",
    "episode/success_rate",
    "eval/success_rate",
    *(f"losses/{name}" for name in LOSSES.split()),
    *(f"charts/{name}" for name in ("episodic_return", "episodic_length", "SPS")),
    *(f"eval/{name}" for name in ("episodic_return", "standard_error", "episodic_length")),
    "time/collect_seconds",
    "time/update_seconds",
}
# Options that go through other paths, several at once, and spaces that differ from one integer.
VARIANTS = {
    "everything": "env=popgym/noisy_position_only_cart_pole_easy agent.bptt_length=8 agent.kl_coef=0.1 "
    "agent.make_network.separate_critic_core=true agent.make_network.make_encoder.normalize=true "
    "agent.make_network.make_encoder.previous_reward=true agent.value_clip_range=0.2 "
    "agent.entropy_coef=0.01 agent.normalize_advantage=rollout",
    "not normalised": "agent.normalize_advantage=none agent.max_grad_norm=null agent.learning_rate_schedule=constant",
    "continuous": "env=popgym/position_only_pendulum_easy env.backend=package env.action=rescale",
    "several actions": "env=popgym/battleship_easy",
    "tuple": "env=popgym/autoencode_easy",
    "tuple of the package": "env=popgym/autoencode_easy env.backend=package",
    "masks": "env=gymnasium env.id=Taxi-v4",
}


def train(run, folder, *words, **arguments):
    """Train in a new folder under `folder`; returns the run's."""
    result = run("train", *TINY, *words, f"logging.runs_dir={folder}", **arguments)
    assert result.code == 0, result.err
    return result.run_dir


def test_files_of_a_run(run, tmp_path):
    run_dir = train(run, tmp_path, *RECALL, "logging.curve=true", "checkpoint.keep_interval=300")
    assert run_dir.parent == tmp_path / "diagnostic" / "recall_first" / "ppo-lstm"
    assert run_dir.name.startswith("0-")
    names = {path.relative_to(run_dir).as_posix() for path in run_dir.rglob("*") if path.is_file()}
    kept = {name for name in names if name.startswith("checkpoints/step-")}
    events = {name for name in names if name.startswith("tensorboard/events.")}
    assert len(kept) == 2 and len(events) == 1
    assert names - kept - events == {
        "command.json",
        "config.yaml",
        "metrics.jsonl",
        "manifest.json",
        "versions.json",
        "spaces.json",
        "sizes.json",
        "lock",
        "learning_curve.png",
        "checkpoints/latest.safetensors",
        "checkpoints/latest.previous.safetensors",
        "checkpoints/best.safetensors",
    }
    config = yaml.safe_load((run_dir / "config.yaml").read_text())
    assert config["env"]["delay"] == 3 and config["core"]["hidden_size"] == 16
    versions = json.loads((run_dir / "versions.json").read_text())
    assert versions["torch"] == torch.__version__ and versions["device"] == "cpu" and versions["git_commit"]
    assert_tensorboard_follows_metrics(run_dir)
    rows = read_metrics(run_dir / "metrics.jsonl")
    assert {key for row in rows for key in row} == KEYS | {"env_steps"}
    # An episode is 4 transitions and 5 rows; 16 rows of 4 environments began 4, 3, 3, … of them.
    first_rows = [sum(1 for t in range(16 * k, 16 * (k + 1)) if t % 5 == 0) for k in range(len(rows))]
    assert [row["env_steps"] for row in rows] == [
        4 * (16 * (k + 1) - sum(first_rows[: k + 1])) for k in range(len(rows))
    ]
    assert rows[-2]["env_steps"] < 600 <= rows[-1]["env_steps"]
    assert all(row["losses/initial_log_prob_difference"] < 1e-4 for row in rows)


def test_a_seed_is_a_run(run, trained, tmp_path):
    again, other = train(run, tmp_path), train(run, tmp_path, "seed=1")
    assert metric_lines(again) == metric_lines(trained)
    assert metric_lines(other) != metric_lines(trained)


@pytest.mark.parametrize("checkpoint", ["best", "latest"])
def test_a_run_acts_from_python(trained, checkpoint):
    agent = agents.load(trained, checkpoint)
    assert agent.num_updates == checkpoint_values(trained, checkpoint)["agent"]["num_updates"]
    carry = agent.initial_carry(2)
    row = {
        "obs": torch.tensor([0, 3]),
        "reward": torch.zeros(2),
        "prev_action": torch.zeros(2, dtype=torch.int64),
        "is_first": torch.ones(2, dtype=torch.bool),
    }
    for _ in range(3):
        action, carry, extras = agent.act(TensorDict(row, [2]), carry)
        assert all(agent.action_space.contains(value) for value in action.numpy())
        assert torch.isfinite(extras["log_prob"]).all() and (extras["log_prob"] < 0).all()
        row |= {"prev_action": action, "is_first": torch.zeros(2, dtype=torch.bool)}


def test_classes_of_the_users_own(run, tmp_path):
    modules = write_modules(tmp_path)
    words = [word for word in TINY if not word.startswith("core")]
    words += ["core=custom", "core._target_=my_package.MyCore", "+core.hidden_size=8"]
    words += [
        "env=custom",
        "env._target_=my_package.MyEnv",
        "+env.delay=2",
        f"logging.runs_dir={tmp_path}/runs",
    ]
    assert_refused(run("train", *words, path=[modules]), r"allow=\[my_package\]")
    assert not (tmp_path / "runs").exists()
    allow = "allow=[my_package]"
    result = run("train", *words, allow, path=[modules])
    assert result.code == 0, result.err
    # The list stored in the run does not count; it is the reader's to give.
    again = ("train", f"resume={result.run_dir}", "total_env_steps=700")
    assert_refused(run(*again, path=[modules]), r"allow=\[my_package\]")
    assert run(*again, allow, path=[modules]).code == 0
    evaluate = ("evaluate", f"run={result.run_dir}", "episodes=4", "num_envs=2")
    assert_refused(run(*evaluate, path=[modules]), r"allow=\[my_package\]")
    assert run(*evaluate, allow, path=[modules]).code == 0


def test_a_larger_budget_keeps_the_schedule(run, tmp_path):
    run_dir = train(run, tmp_path, *RECALL, "agent.learning_rate_schedule=linear", "schedule_env_steps=1200")
    assert run("train", f"resume={run_dir}", "total_env_steps=1000").code == 0
    whole = train(
        run,
        tmp_path,
        *RECALL,
        "agent.learning_rate_schedule=linear",
        "schedule_env_steps=1200",
        "total_env_steps=1000",
        "evaluation.interval=null",
    )
    rates = [[line["optim/learning_rate"] for line in metric_lines(path)] for path in (run_dir, whole)]
    assert rates[0] == rates[1]
    # A rate is that of the steps before its iteration: the whole at the beginning, never 0 at the end.
    before = [0, *(int(line["env_steps"]) for line in metric_lines(whole)[:-1])]
    for rate, steps in zip(rates[0], before, strict=True):
        assert math.isclose(float(rate), 2e-3 * (1 - steps / 1200))


def test_evaluations_may_ask_for_more_than_was_trained(run, tmp_path):
    run_dir = train(run, tmp_path, *RECALL, "evaluation.env.delay=9", "total_env_steps=300")
    assert run("train", f"resume={run_dir}", "total_env_steps=600").code == 0
    rows = read_metrics(run_dir / "metrics.jsonl")
    lengths = {
        key: {row[key] for row in rows if key in row}
        for key in ("charts/episodic_length", "eval/episodic_length")
    }
    assert lengths == {"charts/episodic_length": {4.0}, "eval/episodic_length": {10.0}}
    result = run("evaluate", f"run={run_dir}", "episodes=2", "num_envs=2", f"output={tmp_path / 'out'}")
    assert result.code == 0 and json.loads((tmp_path / "out/evaluation.json").read_text())["lengths"] == [
        4,
        4,
    ]


@pytest.mark.parametrize("core", ONE_OF_EACH_FAMILY)
def test_every_core_trains(run, tmp_path, core):
    smaller = [word for word in TINY if not word.startswith("core")]
    words = (*smaller, *RECALL, f"core={core}", "core.hidden_size=16", "total_env_steps=200")
    result = run("train", *words, f"logging.runs_dir={tmp_path}")
    assert result.code == 0, result.err
    lines = metric_lines(result.run_dir)
    assert all(math.isfinite(float(value)) for line in lines for value in line.values())
    assert all(float(line["losses/initial_log_prob_difference"]) < 1e-4 for line in lines)


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_train(run, tmp_path, variant):
    run_dir = train(run, tmp_path, "total_env_steps=300", *VARIANTS[variant].split())
    rows = read_metrics(run_dir / "metrics.jsonl")
    assert all(value is not None for row in rows for key, value in row.items() if not is_timing(key))
    assert all(row["losses/initial_log_prob_difference"] < 1e-3 for row in rows)
    falls = rows[0]["optim/learning_rate"] > rows[1]["optim/learning_rate"]
    assert falls == ("schedule=constant" not in VARIANTS[variant])


def test_a_profiled_run_learns_the_same(run, tmp_path):
    straight = train(run, tmp_path / "straight")
    result = run("train", *TINY, "profile=true", f"logging.runs_dir={tmp_path / 'profiled'}")
    profiled = result.run_dir
    assert metric_lines(straight) == metric_lines(profiled)
    assert "environment steps in" in result.err and "of it environments" in result.err
    assert {path.name for path in (profiled / "profile").iterdir()} == {"summary.txt", "trace.json.gz"}
    continued = run("train", f"resume={profiled}", "total_env_steps=700")
    assert continued.code == 0 and "of it environments" not in continued.err
