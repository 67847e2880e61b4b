"""The archives that are published beside the reports give the scores that are published, by this version too."""

import csv
from pathlib import Path

import pytest

from engram.analysis.compare import compare
from engram.analysis.files import write_files
from engram.analysis.folders import find_run_folders
from engram.analysis.runs import read_run
from engram.analysis.settings import Settings

REPORTS = Path(__file__).parents[2] / "docs" / "reports"
SCORES = {"seconds", "mmer", "area", "final_evaluation"}


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("name", "returns", "runs"), [("recall", "evaluation", 30), ("core_comparison_matched", "training", 60)]
)
def test_a_published_archive_gives_its_published_scores(tmp_path, name, returns, runs):
    folders, skipped = find_run_folders([str(REPORTS / name / "runs.zip")])
    document = compare(
        [read_run(folder) for folder in folders], skipped, Settings(episodes=returns, resamples=100, points=2)
    )
    assert document["skipped"] == []
    write_files(tmp_path, document | {"x": "env_steps", "command": "", "configurations": []}, figures=False)
    got, expected = rows_of(tmp_path / "scores.csv"), rows_of(REPORTS / name / "scores.csv")
    assert len(got) == len(expected) == runs
    for mine, published in zip(got, expected, strict=True):
        assert mine.pop("folder").split("/")[-2:] == published.pop("folder").split("/")[-2:]
        for key, text in published.items():
            value = mine[key]
            assert value == text or (
                key in SCORES and float(value) == pytest.approx(float(text), rel=1e-12)
            ), key
