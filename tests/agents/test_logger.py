"""Metrics on disk, continued."""

import os

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.logger import Logger, read_metrics


def logged_points(run_dir):
    """TensorBoard's points of the key `x`, as (step, value)."""
    events = EventAccumulator(str(run_dir / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    return [(event.step, event.value) for event in events.Scalars("x")]


def test_tensorboard_follows_restarts_within_one_second(tmp_path, monkeypatch):
    """Process numbers that fall, as they do when they have come around: by name the newest would be first."""
    numbers = iter(range(9000, 0, -1))
    monkeypatch.setattr(os, "getpid", lambda: next(numbers))
    for restart in range(3):
        with Logger(tmp_path, resume_step=None if restart == 0 else 10 * restart) as logger:
            for step in range(10 * restart + 1, 10 * restart + 21):
                logger.log({"x": float(1000 * restart + step)}, step)
    expected = [(step, float(1000 * min((step - 1) // 10, 2) + step)) for step in range(1, 41)]
    assert logged_points(tmp_path) == expected
    assert [(row["env_steps"], row["x"]) for row in read_metrics(tmp_path / "metrics.jsonl")] == expected
