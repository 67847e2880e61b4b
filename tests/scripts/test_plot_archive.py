"""Runs in one file: the same comparison as from their folders, and what is damaged is named."""

import json
import zipfile

import pytest
from synthetic_runs import write_comparison, write_run

from run_files import assert_refused

QUICK = ("resamples=200", "points=5", "figures=false")


def plot(run, runs, output, *words):
    """Compare; returns how the command ended and its document."""
    result = run("plot", f"runs={runs}", f"output={output}", *QUICK, *words)
    assert result.code == 0, result.err
    return result, json.loads((output / "results.json").read_text())


@pytest.fixture
def archive(run, tmp_path):
    """An archive of the runs in `runs`, beside their comparison."""
    write_comparison(tmp_path / "runs")
    result, _ = plot(run, tmp_path / "runs", tmp_path / "whole", "archive=true")
    assert str(tmp_path / "whole" / "runs.zip") in result.out
    return tmp_path / "whole" / "runs.zip"


def without_places(document):
    """A comparison without the folders of its runs, and the command that names them."""
    runs = [{key: value for key, value in one.items() if key != "folder"} for one in document["runs"]]
    return {**document, "runs": runs, "command": None}


def test_an_archive_gives_the_same_comparison(run, tmp_path, archive):
    expected = json.loads((tmp_path / "whole" / "results.json").read_text())
    _, document = plot(run, archive, tmp_path / "again", "archive=true")
    assert without_places(document) == without_places(expected)
    assert document["runs"][0]["folder"] == f"{archive}/autoencode_easy/ppo-gru/0-20260101-000000"
    assert (tmp_path / "again" / "runs.zip").read_bytes() == archive.read_bytes()


def test_without_being_asked_for_there_is_none(run, tmp_path):
    write_run(tmp_path / "runs")
    plot(run, tmp_path / "runs", tmp_path / "out")
    assert not (tmp_path / "out" / "runs.zip").exists()


def test_only_what_a_comparison_reads_is_stored(run, tmp_path):
    folder = write_run(tmp_path / "runs", seed=3, evaluations=(0.5,))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    text = "".join(json.dumps({**line, "losses/value": 0.1}) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "latest.safetensors").write_bytes(b"weights")
    plot(run, tmp_path / "runs", tmp_path / "out", "archive=true")
    with zipfile.ZipFile(tmp_path / "out" / "runs.zip") as stored:
        inside = f"ppo-gru/{folder.name}/"
        texts = ("command.json", "config.yaml", "versions.json", "sizes.json")
        files = (*texts, "metrics.jsonl", "manifest.json")
        assert set(stored.namelist()) == {inside + file for file in files}
        got = [json.loads(line) for line in stored.read(inside + "metrics.jsonl").splitlines()]
    assert [{key: line[key] for key in line if key != "hash"} for line in got] == lines


def test_own_runs_beside_published_ones(run, tmp_path, archive):
    """A core of one's own joins a comparison whose other runs are known only from its archive."""
    for seed in range(5):
        write_run(tmp_path / "mine", "s5", "popgym/autoencode_easy", seed, (0.1, 0.2, 0.3, 0.9))
    _, document = plot(run, f"[{archive},{tmp_path / 'mine'}]", tmp_path / "out", "archive=true")
    assert document["groups"] == ["gru", "s5", "mlp"] and document["aggregated_tasks"] == []
    _, again = plot(run, tmp_path / "out" / "runs.zip", tmp_path / "again")
    assert without_places(again) == without_places(document)
    _, twice = plot(run, f"[{archive},{tmp_path / 'runs'}]", tmp_path / "twice")
    assert len(twice["runs"]) == 20 and len(twice["skipped"]) == 20
    assert all("same configuration and seed" in one["reason"] for one in twice["skipped"])


def test_what_is_damaged_in_an_archive_is_skipped_by_name(run, tmp_path, archive):
    with zipfile.ZipFile(archive, "a") as stored:
        stored.writestr("half/ppo-gru/7/config.yaml", "seed: 1\n")
    data = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as stored:
        (entry,) = (
            one
            for one in stored.infolist()
            if one.filename.endswith("repeat_previous_easy/ppo-mlp/2-20260101-000000/metrics.jsonl")
        )
    data[entry.header_offset + 30 + len(entry.filename) + 20] ^= 0xFF
    archive.write_bytes(data)
    (tmp_path / "cut.zip").write_bytes(bytes(data[: len(data) // 2]))
    result, document = plot(run, f"[{archive},{tmp_path / 'cut.zip'}]", tmp_path / "out")
    reasons = {one["name"].removeprefix(str(tmp_path)): one["reason"] for one in document["skipped"]}
    assert reasons.keys() == {
        "/whole/runs.zip/half/ppo-gru/7",
        "/whole/runs.zip/repeat_previous_easy/ppo-mlp/2-20260101-000000",
        "/cut.zip",
    }
    assert "metrics.jsonl and versions.json missing" in reasons["/whole/runs.zip/half/ppo-gru/7"]
    assert (
        "metrics.jsonl is damaged"
        in reasons["/whole/runs.zip/repeat_previous_easy/ppo-mlp/2-20260101-000000"]
    )
    assert "no archive" in reasons["/cut.zip"]
    assert len(document["runs"]) == 19
    assert f"skipped: {tmp_path / 'cut.zip'}" in result.out


def test_a_file_that_is_no_archive(run, tmp_path):
    (tmp_path / "notes.txt").write_text("no run\n")
    assert_refused(run("plot", f"runs={tmp_path / 'notes.txt'}"), "notes.txt holds none")
    (tmp_path / "notes.zip").write_text("no archive\n")
    assert_refused(
        run("plot", f"runs={tmp_path / 'notes.zip'}", f"output={tmp_path / 'out'}"), "notes.zip.*no archive"
    )


def test_edited_runs_are_left_out_and_taken_when_trusted(run, tmp_path):
    """In a folder and in an archive."""
    for seed in (0, 1):
        write_run(tmp_path / "runs", seed=seed)
    plot(run, tmp_path / "runs", tmp_path / "whole", "archive=true")
    with zipfile.ZipFile(tmp_path / "whole" / "runs.zip") as stored:
        stored.extractall(tmp_path / "unpacked")
    sizes = next((tmp_path / "unpacked").rglob("0-*/sizes.json"))
    sizes.write_text(sizes.read_text().replace("12345", "12346"))
    with zipfile.ZipFile(tmp_path / "edited.zip", "w") as edited:
        for path in (tmp_path / "unpacked").rglob("*.*"):
            edited.write(path, path.relative_to(tmp_path / "unpacked"))
    for place in ("unpacked", "edited.zip"):
        _, document = plot(run, tmp_path / place, tmp_path / "refused")
        assert [one["seed"] for one in document["runs"]] == [1]
        (skipped,) = document["skipped"]
        assert "sizes.json was edited" in skipped["reason"] and "trust_edited=true" in skipped["reason"]
        result, document = plot(run, tmp_path / place, tmp_path / "taken", "trust_edited=true")
        assert [one["parameters"] for one in document["runs"]] == [12346, 12345] and not document["skipped"]
        assert "warning: " in result.err and "sizes.json was edited" in result.err
