"""What a run leaves behind, read and compared."""

import json
import math
import re

import torch
from safetensors import safe_open

from engram.run_files.manifest import adopt_texts
from engram.run_files.metrics_log import read_metrics

# A run of a second: 10 rollouts, 3 evaluations.
TINY = (
    "core=lstm",
    "core.hidden_size=16",
    "threads=1",
    "num_envs=4",
    "total_env_steps=600",
    "agent.rollout_length=16",
    "agent.num_minibatches=2",
    "agent.num_epochs=1",
    "evaluation.interval=200",
    "evaluation.episodes=4",
    "evaluation.num_envs=2",
    "checkpoint.interval=200",
    "logging.progress=false",
    "logging.curve=false",
)
# The smallest world model that learns; `agent.train_ratio` says how much.
TINY_WORLD_MODEL = (
    "agent=r2i",
    "agent.units=16",
    "agent.memory_size=16",
    "agent.num_categoricals=4",
    "agent.batch_size=2",
    "agent.batch_length=16",
    "agent.rollout_length=4",
    "core=r2i",
    "core.hidden_size=8",
    "num_envs=4",
)
RECALL = ("env=diagnostic/recall_first", "env.delay=3")


def is_timing(key):
    """Whether a metric depends on the machine's speed."""
    return key.startswith("time/") or key == "charts/SPS"


def metric_lines(run_dir):
    """The lines of `metrics.jsonl` without timings, floats as exact text."""
    lines = []
    for text in (run_dir / "metrics.jsonl").read_text().splitlines():
        row = json.loads(text)
        lines.append({key: repr(value) for key, value in row.items() if not is_timing(key) and key != "hash"})
    return lines


def checkpoint_tensors(run_dir, name="latest"):
    """The tensors of a checkpoint by flat name."""
    with safe_open(run_dir / "checkpoints" / f"{name}.safetensors", framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}


def checkpoint_values(run_dir, name="latest"):
    """The JSON values of a checkpoint."""
    with safe_open(run_dir / "checkpoints" / f"{name}.safetensors", framework="pt") as file:
        return json.loads(file.metadata()["values"])


def tensorboard_series(run_dir):
    """TensorBoard's points `(env_steps, value)` of every key."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run_dir / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    return {
        key: [(event.step, event.value) for event in events.Scalars(key)] for key in events.Tags()["scalars"]
    }


def learned_values(run_dir, name="latest"):
    """The JSON values of a checkpoint without those that say when others were written."""
    values = checkpoint_values(run_dir, name)
    for key in ("segments", "saved_before"):
        values.get("replay", {}).get("ring", {}).pop(key, None)
    values.get("log", {}).pop("hash", None)  # of the lines' timings, too
    return values


def assert_same_run(got, expected):
    """Assert that two runs logged and learned the same, to the bit."""
    got_lines, expected_lines = metric_lines(got), metric_lines(expected)
    assert [line["env_steps"] for line in got_lines] == [line["env_steps"] for line in expected_lines]
    for got_line, expected_line in zip(got_lines, expected_lines, strict=True):
        assert got_line == expected_line
    for name in ("latest", "best"):
        assert learned_values(got, name) == learned_values(expected, name)
        got_tensors, expected_tensors = checkpoint_tensors(got, name), checkpoint_tensors(expected, name)
        assert got_tensors.keys() == expected_tensors.keys()
        different = [key for key in got_tensors if not torch.equal(got_tensors[key], expected_tensors[key])]
        assert not different
    left_over = [path.name for path in got.rglob("*.tmp")]
    assert not left_over


def assert_tensorboard_follows_metrics(run_dir):
    """Assert that TensorBoard has every point of `metrics.jsonl` once, in order, and nothing else."""
    rows = read_metrics(run_dir / "metrics.jsonl")
    series = tensorboard_series(run_dir)
    assert series.keys() == {key for row in rows for key in row} - {"env_steps"}
    for key, points in series.items():
        expected = [(row["env_steps"], row[key]) for row in rows if key in row]
        assert [step for step, _ in points] == [step for step, _ in expected], key
        for (_, got), (_, value) in zip(points, expected, strict=True):
            assert math.isnan(got) if value is None else math.isclose(got, value, rel_tol=1e-6), key


def assert_refused(result, pattern):
    """Assert one sentence that matches, and exit code 2."""
    assert result.code == 2, result.err
    assert result.err.startswith("error: ") and len(result.err.splitlines()) == 1, result.err
    assert re.search(pattern, result.err), result.err


def forge(run_dir, name, text):
    """Write a text file of a run and its hash, as somebody would who means it."""
    (run_dir / name).write_text(text)
    adopt_texts(run_dir, [name])


def snapshot(folder):
    """Every file with its time of change and its bytes."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }
