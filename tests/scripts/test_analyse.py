"""`engram analyse`: what it writes, and what it refuses."""

import csv
import json
import shutil

import pytest

import engram
from engram.common.errors import RunError
from engram.scripts import analyse
from run_files import RECALL, TINY

SMALL = ("num_envs=2", "num_rows=6")


@pytest.fixture
def said(trained, tmp_path, capsys):
    """Analyse the run with words: exit code, what was said, and the files by name."""

    def call(*words):
        code = analyse.command([f"run={trained}", f"output={tmp_path / 'found'}", *SMALL, *words])
        out, err = capsys.readouterr()
        files = {path.name: path for path in (tmp_path / "found").glob("*")}
        return code, out + err, files

    return call


def test_saliency_is_a_page_a_table_and_figures(said):
    code, text, files = said("what=saliency")
    assert code == 0 and text.startswith("Saliency of past rows: The gradient of action by every past row")
    assert set(files) == {
        "index.html",
        "analysis.json",
        "saliency.csv",
        "saliency_distance.png",
        "saliency_map.png",
    }
    with files["saliency.csv"].open() as table:
        rows = list(csv.DictReader(table))
    assert [int(row["distance"]) for row in rows] == [0, 1, 2, 3, 4, 5]
    assert [int(row["rows"]) for row in rows] == [12, 10, 8, 6, 4, 2]
    found = json.loads(files["analysis.json"].read_text())
    assert found["found"]["saliency"]["share"] == [float(row["share"]) for row in rows]
    page = files["index.html"].read_text()
    assert 'src="saliency_map.png"' in page and 'href="saliency.csv"' in page and "http" not in page


def test_a_gated_core_has_no_attention(said):
    code, text, files = said("what=[attention]")
    assert code == 0 and "no sum over past rows" in text and set(files) == {"index.html", "analysis.json"}


def test_probes_against_another_run(said, trained):
    words = ["what=[probes]", "probes.num_envs=6", "probes.num_rows=53", "probes.of=[card_1_ago]"]
    code, text, files = said(*words, f"probes.against={trained}")
    assert code == 0 and "card_1_ago, accuracy: carry " in text and "carry of the other run" in text
    assert {"probes.csv", "probes_age.csv", "probes.png", "probes_age.png"} < set(files)


def test_a_memory_that_is_wiped(said):
    code, text, files = said("what=[recall]", "recall.kept=[2,1]", "recall.episodes=4", "recall.num_envs=4")
    assert code == 0 and "a memory that is wiped" in text and "uniformly random actions" in text
    with files["recall_kept.csv"].open() as table:
        rows = list(csv.DictReader(table))
    assert [row["rows_kept"] for row in rows] == ["1", "2", ""] and "recall_kept.png" in files
    assert "recall.csv" not in files


def test_success_against_a_delay(run, tmp_path):
    trained = run("train", *TINY, *RECALL, f"logging.runs_dir={tmp_path}").run_dir
    found = engram.Run(trained).analyse(
        what=["recall"],
        recall={"kept": [1], "argument": "delay", "values": [6, 1], "episodes": 6, "num_envs": 3},
    )["found"]["recall"]
    assert found["trained"] == 3 and [point["distance"] for point in found["delays"]] == [1, 6]
    assert all(0 <= point["low"] <= point["mean"] <= point["high"] <= 1 for point in found["delays"])
    with (trained / "analysis" / "recall.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [row["beyond_training"] for row in rows] == ["False", "True"]
    with pytest.raises(RunError, match="one of delay"):
        engram.Run(trained).analyse(what=["recall"], recall={"argument": "length"})


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("what=[saliency,dreams]", "error: what must be a list of any of saliency"),
        ("saliency.of=reward", "error: saliency.of must be one of action, log_prob, value, but got 'reward'"),
        ("env.k=3", "error: make_env takes the arguments name"),
        ("probes.lags=[0]", "error: probes.lags must be a list of whole numbers of at least 1, but got [0]"),
        ("recall.kept=[1,0]", "error: recall.kept must be a list of whole numbers of at least 1, but got"),
        ("num_rows=0", "error: num_rows must be a whole number of at least 1, but got 0; set num_rows=128."),
    ],
)
def test_what_cannot_be_is_one_sentence(said, word, sentence):
    code, text, files = said(word)
    assert code == 2 and text.startswith(sentence) and text.count("\n") == 1 and not files


def test_from_python(trained, tmp_path):
    run = engram.Run(shutil.copytree(trained, tmp_path / "run"))
    found = run.analyse(what=["saliency"], num_envs=2, num_rows=4, saliency={"of": "value"})
    assert len(found["found"]["saliency"]["share"]) == 4
    assert json.loads((run.path / "analysis" / "analysis.json").read_text())["found"] == found["found"]
    with pytest.raises(RunError, match="num_envs must be"):
        run.analyse(num_envs=0)
