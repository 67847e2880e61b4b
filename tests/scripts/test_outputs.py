"""What a command writes to is proven before it works, and nothing is left behind by that."""

import pytest

from engram.common.errors import UsageError
from engram.run_files.outputs import check_writable, check_writable_file
from run_files import assert_refused, snapshot


def test_what_can_be_written(tmp_path):
    (tmp_path / "old.json").write_text("old")
    before = snapshot(tmp_path)
    check_writable("output", tmp_path, ["old.json", "new.json"])
    check_writable("output", tmp_path / "a" / "b", ["new.json"])
    check_writable_file("plot", tmp_path / "new.png")
    check_writable_file("plot", tmp_path / "old.json")
    assert snapshot(tmp_path).keys() == before.keys() and (tmp_path / "old.json").read_text() == "old"


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("file", "File exists"),
        ("file/below", "Not a directory"),
        ("taken", r"a\.json cannot \(Is a directory"),
    ],
)
def test_what_cannot_be_written(tmp_path, folder, reason):
    (tmp_path / "file").touch()
    (tmp_path / "taken" / "a.json").mkdir(parents=True)
    with pytest.raises(UsageError, match=rf"output must be .* to, but .*{reason}.*; set output=<folder>"):
        check_writable("output", tmp_path / folder, ["a.json"])
    with pytest.raises(UsageError, match=r"plot must (lie in a folder that exists|be a file)"):
        check_writable_file("plot", tmp_path / folder / "a.json")


def test_a_disk_that_is_read_only(tmp_path, monkeypatch):
    """Whoever is root may write anywhere but there."""

    def refuse(**options):
        raise OSError(30, "Read-only file system", f"{options['dir']}/tmpabc")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(
        UsageError, match=rf"but {tmp_path}/new cannot \(Read-only file system\); set output="
    ):
        check_writable("output", tmp_path / "new")
    with pytest.raises(UsageError, match=rf"but {tmp_path}/a cannot \(Read-only file system\); set plot="):
        check_writable_file("plot", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [("plot", "runs={trained}", "output={file}"), ("evaluate", "run={trained}", "output={file}")],
)
def test_commands_refuse_an_output_that_is_a_file(run, trained, tmp_path, words):
    (tmp_path / "file").touch()
    words = [word.format(trained=trained, file=tmp_path / "file") for word in words]
    assert_refused(run(*words), "output must be a folder that can be written to, but .* cannot")
