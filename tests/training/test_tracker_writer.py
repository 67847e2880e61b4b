"""Which lines an experiment tracker is given, and when."""

import math
from types import SimpleNamespace

import pytest
import torch

from engram.common.errors import UsageError
from engram.run_files.logger import Logger
from engram.run_files.tracked import Tracked, read_tracked
from engram.training.trackers.writer import TrackerWriter


class Unreliable:
    """Keeps what it is given, and refuses while it is away."""

    name, title, errors = "mlflow", "Unreliable", (ConnectionError,)

    def __init__(self, knows=None):
        self.lines, self.is_away, self.knows, self.ended = [], False, knows, None

    def open(self, run_name, config, id):
        self.log([])
        return "new" if id is None else id

    def last_step(self):
        return self.knows

    def log(self, lines):
        if self.is_away:
            raise ConnectionError("no route")
        self.lines += [(line.env_steps, dict(line.metrics), list(line.media)) for line in lines]

    def close(self, has_failed):
        self.ended = has_failed


def trainer_at(run_dir, env_steps=0, **more):
    return SimpleNamespace(run_dir=run_dir, env_steps=env_steps, config={}, **{"has_failed": False, **more})


def log(writer, run_dir, *steps):
    for step in steps:
        writer.on_log(trainer_at(run_dir, step), {"x": step / 3})


def expected(*steps):
    return [(step, {"x": step / 3}, []) for step in steps]


def test_lines_wait_for_the_checkpoint_after_them(tmp_path):
    tracker = Unreliable()
    writer = TrackerWriter(tracker)
    writer.on_start(trainer_at(tmp_path))
    assert read_tracked(tmp_path, "mlflow") == Tracked("new", -1)
    log(writer, tmp_path, 1, 2)
    writer.on_checkpoint(trainer_at(tmp_path, 2), "best", tmp_path)
    assert tracker.lines == []
    writer.on_checkpoint(trainer_at(tmp_path, 2), "latest", tmp_path)
    log(writer, tmp_path, 3)
    writer.on_end(trainer_at(tmp_path, 3, has_failed=True))
    assert tracker.lines == expected(1, 2) and tracker.ended is True
    assert read_tracked(tmp_path, "mlflow") == Tracked("new", 2)


@pytest.mark.parametrize("is_back", [False, True])
def test_a_tracker_that_is_away_is_given_the_lines_later(tmp_path, capsys, is_back):
    tracker = Unreliable()
    writer = TrackerWriter(tracker)
    writer.on_start(trainer_at(tmp_path))
    tracker.is_away = True
    for step in (1, 2):
        log(writer, tmp_path, step)
        writer.on_checkpoint(trainer_at(tmp_path, step), "latest", tmp_path)
    assert capsys.readouterr().err.count("Unreliable does not take the run's lines (no route)") == 1
    tracker.is_away = not is_back
    writer.on_end(trainer_at(tmp_path, 2))
    assert tracker.lines == (expected(1, 2) if is_back else [])
    assert read_tracked(tmp_path, "mlflow").env_steps == (2 if is_back else -1)


def test_a_continued_run_gives_what_is_missing_there(tmp_path):
    """Killed after the tracker took line 2 and before that was written down; null is no number."""
    with Logger(tmp_path, tensorboard=False) as logger:
        for step in (1, 2, 3):
            logger.log({"x": step / 3, "y": math.nan}, step)
    tracker = Unreliable(knows=2)
    writer = TrackerWriter(tracker)
    writer.on_start(trainer_at(tmp_path, 3))
    assert tracker.lines == expected(3)
    log(writer, tmp_path, 4)
    writer.on_checkpoint(trainer_at(tmp_path, 4), "latest", tmp_path)
    again = Unreliable()
    TrackerWriter(again).on_start(trainer_at(tmp_path, 4))
    assert tracker.lines == expected(3, 4) and again.lines == []


def test_pictures_come_with_the_line_after_them(tmp_path):
    tracker = Unreliable()
    writer = TrackerWriter(tracker)
    writer.on_start(trainer_at(tmp_path))
    writer.on_media(trainer_at(tmp_path, 1), {"maze": torch.zeros(3, 2, 2, dtype=torch.uint8)})
    log(writer, tmp_path, 1, 2)
    writer.on_checkpoint(trainer_at(tmp_path, 2), "latest", tmp_path)
    assert [(step, media) for step, _, media in tracker.lines] == [(1, ["maze"]), (2, [])]


def test_no_more_numbers_at_once_than_a_request_takes(tmp_path):
    tracker, parts = Unreliable(), []
    tracker.log = lambda lines: parts.append([line.env_steps for line in lines])
    writer = TrackerWriter(tracker)
    tracker.open = lambda *_: "new"
    writer.on_start(trainer_at(tmp_path))
    for step in range(5):
        writer.on_log(trainer_at(tmp_path, step), {f"x{number}": 1.0 for number in range(400)})
    writer.on_checkpoint(trainer_at(tmp_path, 5), "latest", tmp_path)
    assert parts == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize(
    "text", ["{}", '{"id": "../x", "env_steps": 1}', '{"id": "x", "env_steps": true}', "["]
)
def test_a_damaged_file(tmp_path, text):
    (tmp_path / "mlflow.json").write_text(text)
    with pytest.raises(ValueError, match=r"mlflow\.json.* damaged"):
        TrackerWriter(Unreliable()).on_start(trainer_at(tmp_path))


def test_a_tracker_that_does_not_open(tmp_path):
    tracker = Unreliable()
    tracker.is_away = True
    writer = TrackerWriter(tracker)
    with pytest.raises(UsageError, match="Unreliable must take this run, but got: no route"):
        writer.on_start(trainer_at(tmp_path))
    writer.on_end(trainer_at(tmp_path, has_failed=True))
    assert tracker.ended is None and not list(tmp_path.iterdir())
