"""JSON without numbers that JSON does not have, and no writer of numbers beside it."""

import json
import math
import re
from pathlib import Path

import numpy as np

from engram.run_files.json_text import json_text
from engram.run_files.logger import Logger
from engram.run_files.metrics_log import cut_metrics, find_kept, read_metrics

ROOT = Path(__file__).resolve().parents[2]
# These hold text, whole numbers and what must be read back as it was, or make no file.
WITHOUT_NUMBERS = {
    "run_files/checkpoint.py",
    "run_files/json_text.py",
    "run_files/sealed_json.py",  # of which it takes a digest
    "run_files/fixed_config.py",
    "agents/stored/spaces.py",
    "analysis/groups.py",
    "analysis/names.py",
    "training/new_run.py",
    "api/exam_run.py",  # a key of what is played
}


def strict(text):
    def refuse(name):
        raise AssertionError(f"bare {name}")

    return json.loads(text, parse_constant=refuse)


def test_what_is_not_finite_is_null():
    value = {
        "a": math.nan,
        "b": [math.inf, 1.5, (-math.inf, "NaN")],
        "c": {"d": np.float64("nan"), "e": 3, "f": None},
    }
    assert strict(json_text(value)) == {
        "a": None,
        "b": [None, 1.5, [None, "NaN"]],
        "c": {"d": None, "e": 3, "f": None},
    }
    assert json_text({"a": 1}, indent=1) == '{\n "a": 1\n}'


def test_metrics_written_and_cut(tmp_path):
    with Logger(tmp_path, tensorboard=False) as logger:
        logger.log({"x": math.nan, "y": 2.0}, 1)
    path = tmp_path / "metrics.jsonl"
    assert strict(path.read_text()).items() >= {"env_steps": 1, "x": None, "y": 2.0}.items()
    path.write_text('{"env_steps": 1, "x": NaN}\n{"env_steps": 2, "x": 1.0}\n')
    cut_metrics(path, find_kept(path, 1, None), 1)
    assert strict(path.read_text())["x"] is None
    assert read_metrics(path) == [{"env_steps": 1, "x": None}]


def test_every_writer_of_numbers_uses_it():
    writers = {
        path.relative_to(ROOT).as_posix()
        for package in ROOT.glob("*/__init__.py")
        for path in package.parent.rglob("*.py")
        if re.search(r"\bjson\.dumps?\(", path.read_text())
    }
    assert writers <= WITHOUT_NUMBERS, writers - WITHOUT_NUMBERS
