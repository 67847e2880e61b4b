"""Metrics on disk, continued."""

import errno
import os
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams.api_pb2 import ColParams, ListSessionGroupsRequest
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler

import engram.run_files.event_writer
from engram.run_files.event_writer import EventWriter
from engram.run_files.logger import Logger
from engram.run_files.metrics_log import read_metrics


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


def raw_points(run_dir):
    """The points of the key `x` in all event files, record by record, as readers do that know nothing of restarts."""
    events = [
        event
        for path in sorted((run_dir / "tensorboard").glob("events.out.tfevents.*"))
        for event in EventFileLoader(str(path)).Load()
    ]
    return [(event.step, value.tensor.float_val[0]) for event in events for value in event.summary.value]


def test_event_files_hold_no_step_twice(tmp_path):
    """Killed while a record was being written, and once before anything was logged; the first file keeps a half."""
    for restart, steps in enumerate((range(1, 21), range(11, 31), (), range(16, 41))):
        with Logger(tmp_path, resume_step=[None, 10, 15, 15][restart], tensorboard=restart != 2) as logger:
            for step in steps:
                logger.log({"x": float(100 * restart + step)}, step)
        newest = max((tmp_path / "tensorboard").iterdir(), key=lambda path: path.name)
        newest.write_bytes(newest.read_bytes() + newest.read_bytes()[:50])
        if restart == 2:
            assert [step for step, _ in raw_points(tmp_path)] == list(range(1, 16))
    expected = [(step, float(step)) for step in range(1, 11)]
    expected += [(step, 100.0 + step) for step in range(11, 16)]
    expected += [(step, 300.0 + step) for step in range(16, 41)]
    assert raw_points(tmp_path) == expected == logged_points(tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))


def logged_picture(run_dir, key):
    """The only picture of a key as `[height, width, 3]`."""
    events = EventAccumulator(str(run_dir / "tensorboard")).Reload()
    (event,) = events.Images(key)
    path = run_dir / "picture.png"
    path.write_bytes(event.encoded_image_string)
    return event.step, np.asarray(Image.open(path).convert("RGB"))


def test_pictures_and_films(tmp_path):
    """A film of two sequences of three frames becomes an animation of both beside each other."""
    picture = torch.arange(2 * 5 * 3, dtype=torch.uint8).reshape(3, 2, 5)
    film = torch.arange(2 * 3, dtype=torch.uint8).reshape(2, 3, 1, 1, 1).expand(2, 3, 3, 4, 5)
    with Logger(tmp_path) as logger:
        logger.log_media({"picture": picture, "film": film}, 7)
        for wrong in (picture.float(), picture[None], picture[:2]):
            with pytest.raises(ValueError, match=r"uint8 \[3, height, width\] and .*, but x is"):
                logger.log_media({"x": wrong}, 8)
    step, shown = logged_picture(tmp_path, "picture")
    assert step == 7 and (shown == picture.permute(1, 2, 0).numpy()).all()
    step, first = logged_picture(tmp_path, "film")
    assert step == 7 and first.shape == (4, 10, 3)
    frames = Image.open(tmp_path / "picture.png")
    seen = []
    for time in range(frames.n_frames):
        frames.seek(time)
        seen.append([np.asarray(frames.convert("RGB"))[0, 5 * b, 0] for b in range(2)])
    assert seen == [[0, 3], [1, 4], [2, 5]] and frames.info["duration"] == 120
    (tmp_path / "without").mkdir()
    with Logger(tmp_path / "without", tensorboard=False) as logger:
        logger.log_media({"picture": picture}, 7)


def test_a_full_disk_is_met_by_whoever_logs(tmp_path, monkeypatch):
    """Nothing is left to a thread of its own, whose error nobody would get; readers see every line at once."""
    threads = threading.active_count()
    writer = EventWriter(tmp_path)
    writer.add_scalars({"x": 1.0}, 5)
    (event,) = [event for event in EventFileLoader(str(next(tmp_path.iterdir()))).Load() if event.step]
    assert event.step == 5 and threading.active_count() == threads
    writer.close()
    monkeypatch.setattr(engram.run_files.event_writer, "_open_new", lambda folder: open("/dev/full", "wb"))
    with pytest.raises(OSError) as caught:
        EventWriter(tmp_path)
    assert caught.value.errno == errno.ENOSPC


def test_options_and_last_numbers_are_on_the_page_hparams(tmp_path):
    """Two runs, one of them continued, as TensorBoard's own page lists them."""
    options = {"core.hidden_size": 8, "core._target_": "engram.memory_cores.GRU", "agent.shared": True}
    for run, resume_step in (("a", None), ("b", None), ("b", 10)):
        (tmp_path / run).mkdir(exist_ok=True)
        with Logger(tmp_path / run, resume_step) as logger:
            logger.log_options(options)
            for step in range((resume_step or 0) + 5, 21, 5):
                logger.log({"eval/episodic_return": step / 4}, step)
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Reload()
    provider = MultiplexerDataProvider(multiplexer, str(tmp_path))
    request_context, context = RequestContext(), Context(TBContext(data_provider=provider))
    experiment = context.experiment_from_metadata(
        request_context,
        "",
        True,
        context.hparams_metadata(request_context, ""),
        context.hparams_from_data_provider(request_context, "", 10),
    )
    assert {info.name.tag for info in experiment.metric_infos} == {"eval/episodic_return"}
    request = ListSessionGroupsRequest(
        start_index=0,
        slice_size=10,
        allowed_statuses=[0, 1, 2, 3],
        col_params=[ColParams(metric=info.name) for info in experiment.metric_infos],
    )
    found = Handler(request_context, context, "", request).run().session_groups
    assert [group.name.split("/")[0] for group in found] == ["a", "b"]
    for group in found:
        shown = {name: getattr(value, value.WhichOneof("kind")) for name, value in group.hparams.items()}
        assert shown == options
        (value,) = group.metric_values
        assert (value.value, value.training_step) == (5.0, 20)
