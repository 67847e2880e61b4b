"""The road of a metric: from an environment's infos to the log, TensorBoard, evaluations and comparisons."""

import json
import statistics
import zipfile

import pytest
from synthetic_runs import QUICK, plot, row_of, write_run

from run_files import RECALL, TINY, assert_refused, metric_lines, tensorboard_series

# The seed of an episode decides: five actions and a success, or four. `top speed` is told of failures alone.
ENV = """
import gymnasium
import numpy as np
from gymnasium import spaces


class Fateful(gymnasium.Env):
    observation_space = spaces.Box(-1, 1, (2,))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.fate = seed % 2
        self.time = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.time += 1
        info = {"success": True} if self.fate else {"success": False, "top speed": 0.25}
        return np.zeros(2, np.float32), 1.0, self.time == 4 + self.fate, False, info


gymnasium.register("fateful/Env-v0", Fateful)
"""


@pytest.fixture(scope="module")
def runs(run, tmp_path_factory):
    """A run, and the same one that was stopped and resumed in between; the folder of the module."""
    folder = tmp_path_factory.mktemp("fateful")
    (folder / "fateful.py").write_text(ENV)
    found = []
    for steps in (600, 240):
        words = ("env=gymnasium", "env.id=fateful:fateful/Env-v0", f"logging.runs_dir={folder / str(steps)}")
        result = run("train", *TINY, *words, f"total_env_steps={steps}", path=[folder])
        assert result.code == 0, result.err
        found.append(result.run_dir)
    resume = (f"resume={result.run_dir}", "total_env_steps=600", "allow=[fateful]")
    assert run("train", *resume, path=[folder]).code == 0
    return *found, folder


def test_a_run_logs_what_its_environment_reports(runs):
    lines, resumed = ([json.loads(text) for text in open(path / "metrics.jsonl")] for path in runs[:2])
    assert {0.0, 1.0} != {line["episode/success_rate"] for line in lines} and len(lines) > 8
    for line in lines:
        for prefix in ("charts", "episode"), ("eval", "eval"):
            if f"{prefix[0]}/episodic_return" in line:
                rate = line[f"{prefix[1]}/success_rate"]
                assert line[f"{prefix[0]}/episodic_return"] == pytest.approx(4 + rate)
                assert (rate < 1) == (f"{prefix[1]}/top_speed" in line)
                assert line.get(f"{prefix[1]}/top_speed", 0.25) == 0.25
    assert sum("eval/success_rate" in line for line in lines) == 3
    rates = [[(line["env_steps"], line["episode/success_rate"]) for line in of] for of in (lines, resumed)]
    assert rates[0] == rates[1]
    points = tensorboard_series(runs[0])
    assert points["episode/success_rate"] == [(step, pytest.approx(value)) for step, value in rates[0]]
    assert {"episode/top_speed", "eval/success_rate", "optim/learning_rate", "losses/policy"} <= points.keys()


def test_evaluate_prints_and_stores_it(run, runs, tmp_path):
    words = (f"run={runs[0]}", "episodes=12", "num_envs=2", f"output={tmp_path}", "allow=[fateful]")
    result = run("evaluate", *words, path=[runs[2]])
    assert result.code == 0, result.err
    found = json.loads((tmp_path / "evaluation.json").read_text())
    successes = [length - 4 for length in found["lengths"]]
    mean, failures = statistics.fmean(successes), successes.count(0)
    assert 1 < failures < 12
    error = statistics.stdev(successes) / 12**0.5
    assert found["metrics"]["success_rate"] == pytest.approx(
        {"episodes": 12, "mean": mean, "standard_error": error}
    )
    assert found["metrics"]["top_speed"] == {"episodes": failures, "mean": 0.25, "standard_error": 0.0}
    assert f"success_rate {mean:.4f} ± {error:.4f} over 12 episodes" in result.out
    assert f"top_speed 0.2500 ± 0.0000 over {failures} episodes" in result.out


def test_plot_draws_it(run, runs, tmp_path):
    words = (f"runs={runs[0]}", f"output={tmp_path}", "resamples=200", "metric=success_rate")
    result = run("plot", *words, "episodes=evaluation")
    assert result.code == 0, result.err
    document = json.loads((tmp_path / "results.json").read_text())
    (row,) = document["table"]
    rates = [value for _, value in tensorboard_series(runs[0])["eval/success_rate"]]
    assert row["mmer"]["value"] == pytest.approx(max(rates))
    assert row["final_evaluation"]["value"] == pytest.approx(rates[-1])
    assert document["settings"]["key"] == "eval/success_rate"
    assert "evaluation success rate, up to" in result.out
    assert "<!-- evaluation success rate -->" in (tmp_path / "figures" / "curves.svg").read_text()


def test_natives_report_success_in_training_and_probes(run, tmp_path):
    result = run("train", *TINY, *RECALL, f"logging.runs_dir={tmp_path}")
    assert result.code == 0, result.err
    for line in metric_lines(result.run_dir):
        success = float(line["episode/success_rate"])
        assert float(line["charts/episodic_return"]) == pytest.approx(2 * success - 1, abs=1e-12)
    probe = ("probe.argument=delay", "probe.values=[1,3]", "episodes=5", "num_envs=5", f"output={tmp_path}")
    probed = run("evaluate", f"run={result.run_dir}", *probe)
    assert probed.code == 0, probed.err
    points = json.loads((tmp_path / "probe_delay.json").read_text())["points"]
    for point in points:
        assert point["metrics"]["success_rate"]["mean"] == pytest.approx((point["mean"] + 1) / 2)
    assert ", success_rate " in probed.out


def test_a_small_memory_maze_in_tensorboard_and_in_a_report(run, tmp_path):
    """Episodes of 250 actions, of which each environment ends one."""
    maze = (
        "env=memory_maze/tiny",
        "env.kwargs={num_layouts: 4, image_size: 16}",
        "core=mlp",
        "core.hidden_size=16",
    )
    less = ("total_env_steps=1040", "evaluation.interval=null", "agent.rollout_length=128")
    result = run("train", *TINY[2:], *maze, *less, f"logging.runs_dir={tmp_path}")
    assert result.code == 0, result.err
    ((steps, rate),) = tensorboard_series(result.run_dir)["episode/success_rate"]
    assert steps > 1000 and rate in (0, 0.25, 0.5, 0.75, 1)
    _, document = plot(run, tmp_path, tmp_path / "out", "metric=success_rate")
    assert row_of(document, "mlp", "memory_maze/tiny")["mmer"]["value"] == rate
    page = (tmp_path / "out" / "index.html").read_text()
    assert '"label":"training success rate"' in page


def write_runs(folder):
    """Five seeds each of two cores on a task with a scale of returns and one without, whose success rates differ."""
    for core, base in (("gru", 0.5), ("mlp", 0.25)):
        for task in ("popgym/battleship_easy", "gymnasium"):
            for seed in range(5):
                run_dir = write_run(
                    folder, core, task, seed, (1, 2, 3, 4), words=_ID if task == "gymnasium" else ()
                )
                path = run_dir / "metrics.jsonl"
                lines = [json.loads(line) for line in path.read_text().splitlines()]
                for index, line in enumerate(lines):
                    line["episode/success_rate"] = base * index / 3 + seed / 100
                    line["losses/value"] = 1.0
                lines[-1]["eval/success_rate"] = base + 0.1
                path.write_text("".join(json.dumps(line) + "\n" for line in lines))


_ID = ("env.id=CartPole-v1",)


def test_scores_of_a_success_rate(run, tmp_path):
    """Rates share a scale, whatever the returns do; an archive holds them."""
    write_runs(tmp_path / "runs")
    words = ("metric=success_rate", "archive=true")
    _, document = plot(run, tmp_path / "runs", tmp_path / "out", *words)
    row = row_of(document, "gru", "popgym/battleship_easy")
    assert row["mmer"]["value"] == pytest.approx(0.52) and row["final_evaluation"]["value"] == pytest.approx(
        0.6
    )
    assert row["area"]["value"] == pytest.approx(0.27)
    assert len(document["aggregated_tasks"]) == 2
    assert document["aggregates"]["mlp"]["mean"]["value"] == pytest.approx(0.27)
    with zipfile.ZipFile(tmp_path / "out" / "runs.zip") as archive:
        name = next(name for name in archive.namelist() if name.endswith("metrics.jsonl"))
        keys = {key for line in archive.read(name).splitlines() for key in json.loads(line)}
    assert {"episode/success_rate", "eval/success_rate"} <= keys and "losses/value" not in keys
    _, again = plot(run, tmp_path / "out" / "runs.zip", tmp_path / "again", "metric=success_rate")
    assert again["table"] == document["table"]
    _, losses = plot(run, tmp_path / "runs", tmp_path / "losses", "metric=losses/value")
    row = row_of(losses, "mlp", "popgym/battleship_easy")
    assert row["mmer"]["value"] == 1.0 and row["final_evaluation"] is None
    assert losses["aggregated_tasks"] == []


def test_a_metric_that_there_is_not(run, tmp_path):
    write_runs(tmp_path / "runs")
    words = (f"runs={tmp_path / 'runs'}", f"output={tmp_path / 'out'}", *QUICK)
    result = run("plot", *words, "metric=sucess_rate")
    assert_refused(
        result,
        "metric must name what the runs have measured, but none of 20 has episode/sucess_rate; choose one of "
        "charts/episodic_return, episode/success_rate, eval/success_rate, losses/value, time/collect_seconds, ",
    )
