"""A run's text files that were edited, lost or added are named, and whatever is killed between two steps fits."""

import json
import warnings

import pytest

from engram.run_files import manifest, manifest_file
from engram.run_files.manifest import (
    adopt_texts,
    check_texts,
    mark_metrics,
    read_manifest,
    replace_texts,
    stream_run_metrics,
    write_texts,
)
from engram.run_files.metric_lines import LogMark, write_line
from engram.run_files.names import TEXT_FILES
from engram.run_files.sealed_json import EditedFileError

TEXTS = {name: f"# {name}\n" for name in TEXT_FILES}


@pytest.fixture
def run_dir(tmp_path):
    write_texts(tmp_path, TEXTS)
    return tmp_path


def edit(path, old="#", new="# edited"):
    path.write_text(path.read_text().replace(old, new, 1))


def test_what_it_holds(run_dir):
    stored = json.loads((run_dir / "manifest.json").read_text())
    assert list(stored) == ["format", "files", "metrics", "edited", "checksum"]
    assert stored["format"] == 1 and stored["metrics"] == {"lines": 0, "hash": ""} and stored["edited"] == []
    assert list(stored["files"]) == [
        "command.json",
        "spaces.json",
        "sizes.json",
        "versions.json",
        "config.yaml",
    ]
    # printf '# config.yaml\n' | sha256sum
    assert stored["files"]["config.yaml"] == [
        "bb3c465fdfcdc130bd356ca833bdd860bac0debcca392b5c2c0fa524f2162381"
    ]
    assert check_texts(run_dir) == []


@pytest.mark.parametrize("name", TEXT_FILES)
@pytest.mark.parametrize("damage", [edit, lambda path: path.unlink(), lambda path: path.write_text("")])
def test_an_edited_file_is_named_and_taken_if_it_is_trusted(run_dir, name, damage):
    damage(run_dir / name)
    with pytest.raises(
        EditedFileError, match=rf"{name} was edited, damaged or removed since; .*trust_edited=true"
    ):
        check_texts(run_dir)
    with pytest.warns(UserWarning, match=f"{name} was edited.*; it is taken as it is"):
        assert check_texts(run_dir, trust_edited=True) == [name]
    mark_metrics(run_dir, LogMark(3, "abc"))
    adopt_texts(run_dir, [name])
    assert check_texts(run_dir) == []
    assert read_manifest(run_dir).edited == (name,) and read_manifest(run_dir).metrics == LogMark(3, "abc")


def test_several_are_named_together(run_dir):
    for name in ("config.yaml", "sizes.json"):
        edit(run_dir / name)
    with pytest.raises(EditedFileError, match=r"sizes\.json and .*config\.yaml were edited"):
        check_texts(run_dir)


def test_a_file_that_commands_read_and_the_run_did_not_write_is_named(tmp_path):
    write_texts(tmp_path, {name: text for name, text in TEXTS.items() if name != "command.json"})
    assert check_texts(tmp_path) == []
    (tmp_path / "command.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(EditedFileError, match=r"command\.json was edited"):
        check_texts(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "{}",
        '{"format": 1}',
        "[" * 3000,
        '{"format": 1, "files": 3, "metrics": {}, "edited": []}',
    ],
)
def test_a_damaged_manifest_is_named(run_dir, text):
    (run_dir / "manifest.json").write_text(text)
    with pytest.raises(EditedFileError, match=r"manifest\.json .*trust_edited=true"):
        check_texts(run_dir)
    with pytest.warns(UserWarning, match=r"manifest\.json"):
        assert check_texts(run_dir, trust_edited=True) == ["manifest.json"]
    adopt_texts(run_dir, ["manifest.json"])
    assert check_texts(run_dir) == [] and read_manifest(run_dir).edited == ("manifest.json",)


def test_an_edited_manifest_is_named(run_dir):
    edit(run_dir / "manifest.json", '"lines": 0', '"lines": 1')
    with pytest.raises(EditedFileError, match=r"manifest\.json was edited or damaged since: its checksum"):
        check_texts(run_dir)


def test_one_of_a_later_version_is_named(run_dir, monkeypatch):
    monkeypatch.setattr(manifest_file, "FORMAT", 2)
    write_texts(run_dir, TEXTS)
    monkeypatch.undo()
    with pytest.raises(EditedFileError, match=r"format 1, but .* has 2"):
        check_texts(run_dir)


def test_a_folder_of_before_is_taken_with_a_warning(run_dir):
    (run_dir / "manifest.json").unlink()
    (run_dir / "metrics.jsonl").write_text('{"env_steps": 1}\n')
    with pytest.warns(UserWarning, match=r"was written before runs had a manifest\.json"):
        assert check_texts(run_dir) == []
    assert list(stream_run_metrics(run_dir)) == [{"env_steps": 1}]
    adopt_texts(run_dir)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_texts(run_dir) == []


def test_a_lost_manifest_is_named_where_the_log_says_that_there_was_one(run_dir):
    (run_dir / "manifest.json").unlink()
    (run_dir / "metrics.jsonl").write_text(write_line({"env_steps": 1}, "")[0])
    with pytest.raises(EditedFileError, match=r"manifest\.json is missing; .*trust_edited=true"):
        check_texts(run_dir)
    with pytest.warns(UserWarning, match="is missing"):
        assert check_texts(run_dir, trust_edited=True) == ["manifest.json"]


def test_metrics_are_held_against_it(run_dir):
    texts, mark = [], LogMark()
    for steps in (1, 2, 3):
        text, own = write_line({"env_steps": steps}, mark.hash)
        texts, mark = [*texts, text], LogMark(steps, own)
    mark_metrics(run_dir, mark)
    (run_dir / "metrics.jsonl").write_text("".join(texts))
    assert [row["env_steps"] for row in stream_run_metrics(run_dir)] == [1, 2, 3]
    (run_dir / "metrics.jsonl").write_text("".join(texts[:2]))
    with pytest.raises(EditedFileError, match="2 whole lines, but 3 were written"):
        list(stream_run_metrics(run_dir))
    (run_dir / "manifest.json").write_text("{}")
    with pytest.raises(EditedFileError, match="manifest"):
        list(stream_run_metrics(run_dir))
    assert len(list(stream_run_metrics(run_dir, trust_edited=True))) == 2


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("{")])
def test_one_that_is_lost_while_the_run_goes_on_is_written_again(run_dir, damage):
    damage(run_dir / "manifest.json")
    with pytest.warns(UserWarning, match=r"manifest\.json was removed or damaged while the run goes on"):
        mark_metrics(run_dir, LogMark(3, "abc"))
    assert check_texts(run_dir) == [] and read_manifest(run_dir).metrics == LogMark(3, "abc")
    assert read_manifest(run_dir).edited == ("manifest.json",)


def test_what_is_no_runs_folder_gets_none(tmp_path):
    mark_metrics(tmp_path, LogMark(3, "abc"))
    assert not list(tmp_path.iterdir())


def write_by(monkeypatch, function):
    """Let a function stand for `replace_file`."""
    for module in (manifest, manifest_file):
        monkeypatch.setattr(module, "replace_file", function)


class Killed(Exception):
    """Stands for SIGKILL."""


def test_whatever_is_killed_between_two_steps_leaves_a_folder_that_fits(run_dir, monkeypatch):
    """Before each file that is replaced: what is there then fits its manifest, and the next call completes it."""
    new = {"config.yaml": "a\n", "sizes.json": "b\n"}
    replace_file, calls = manifest.replace_file, 0

    def replace_until(last):
        left = iter(range(last))

        def replace(path, content):
            if next(left, None) is None:
                raise Killed
            replace_file(path, content)

        return replace

    for calls in range(1, 10):
        write_texts(run_dir, TEXTS)
        write_by(monkeypatch, replace_until(calls))
        try:
            replace_texts(run_dir, new)
            break
        except Killed:
            write_by(monkeypatch, replace_file)
        assert check_texts(run_dir) == []
        mark_metrics(run_dir, LogMark(7, "x"))  # another step between them
        adopt_texts(run_dir)  # as a continued run does
        assert {len(hashes) for hashes in read_manifest(run_dir).files.values()} == {1}
        replace_texts(run_dir, new)
        assert check_texts(run_dir) == [] and read_manifest(run_dir).metrics.lines == 7
        assert read_manifest(run_dir).files["sizes.json"] == (manifest.text_hash("b\n"),)
    assert calls == 4  # the manifest, two files, the manifest
    assert {name: (run_dir / name).read_text() for name in new} == new


def test_a_run_that_is_killed_while_it_begins_has_no_configuration(tmp_path, monkeypatch):
    replaced: list[str] = []
    write_by(monkeypatch, lambda path, text: replaced.append(path.name))
    write_texts(tmp_path, TEXTS)
    assert replaced[-2:] == ["manifest.json", "config.yaml"] and sorted(replaced) == sorted(
        [*TEXTS, "manifest.json"]
    )
