"""Where runs are looked for: links, depth, names and archives that come from anybody are bounded, and named."""

import os
import re
import struct
import subprocess
import zipfile

import pytest
from synthetic_runs import write_run

from engram.analysis.folders import find_run_folders, folder_name
from engram.analysis.runs import Run, read_run
from engram.analysis.skipped import Skipped
from engram.common.errors import UsageError
from engram.run_files.plain_files import check_plain

LINK = "is a link to a folder, which is not followed; name that folder in runs"
FILES = ("config.yaml", "versions.json", "metrics.jsonl", "sizes.json")


def found_in(*patterns):
    """Names of the folders found, and reasons by name of what was left out."""
    folders, skipped = find_run_folders([str(pattern) for pattern in patterns])
    return [folder_name(folder) for folder in folders], {one.name: one.reason for one in skipped}


@pytest.mark.parametrize("pattern", ["runs", "runs/**", "r*", "runs/popgym/../**", "runs/**/*"])
def test_links_to_a_folder_around_them_are_named_and_not_followed(tmp_path, monkeypatch, pattern):
    """Two of them are 2**40 paths."""
    monkeypatch.chdir(tmp_path)
    run_dir = write_run(tmp_path / "runs")
    for name in ("again", "once_more"):
        (tmp_path / "runs" / "popgym" / name).symlink_to(tmp_path / "runs")
    (tmp_path / "runs" / "popgym" / "nowhere").symlink_to("missing")
    folders, reasons = found_in(pattern)
    names = {os.path.normpath(name) for name in folders}
    assert str(run_dir.relative_to(tmp_path)) in names
    start = "runs/popgym/../popgym" if ".." in pattern else "runs/popgym"
    assert {reasons[f"{start}/{name}"] for name in ("again", "once_more")} == {LINK}


def test_a_link_that_is_named_is_followed_and_one_in_a_run_is_not(tmp_path):
    run_dir = write_run(tmp_path / "runs")
    (tmp_path / "here").symlink_to(run_dir)
    assert found_in(tmp_path / "here") == ([str(tmp_path / "here")], {})
    assert isinstance(read_run(tmp_path / "here"), Run)
    (run_dir / "sizes.json").unlink()
    (run_dir / "sizes.json").symlink_to("/etc/hostname")
    assert "sizes.json is a link, through which files elsewhere could be read" in read_run(run_dir).reason


def test_folders_without_end_are_named(tmp_path, monkeypatch):
    write_run(tmp_path / "runs")
    monkeypatch.chdir(tmp_path / "runs")
    for _ in range(25):  # beyond what a path may be
        os.mkdir("a" * 200)
        os.chdir("a" * 200)
    os.chdir(tmp_path)
    folders, reasons = found_in("runs")
    assert len(folders) == 1 and list(reasons.values()) == ["cannot be read: File name too long"]
    with pytest.raises(OSError, match="too long"):
        check_plain(tmp_path / "runs")


@pytest.fixture
def deep(tmp_path):
    """A folder in which folders lie in one another 1,200 deep, with a run in the last."""
    (tmp_path / "deep").mkdir()
    before = os.getcwd()
    os.chdir(tmp_path / "deep")
    for _ in range(1200):
        os.mkdir("a")
        os.chdir("a")
    with open("config.yaml", "w"):
        pass
    os.chdir(before)
    yield tmp_path / "deep"
    subprocess.run(["rm", "-rf", tmp_path / "deep"], check=True)  # which Python cannot remove


def test_folders_deeper_than_calls_may_be_are_searched(deep):
    folders, reasons = found_in(deep)
    assert folders == [str(deep) + "/a" * 1200] and not reasons
    check_plain(deep)


@pytest.mark.parametrize("name", ["x" * 300, "x" * 5000, "a/" * 3000, "[" * 300, "\udcff"])
def test_names_that_no_file_can_have_are_refused_in_a_sentence(tmp_path, name):
    with pytest.raises(UsageError, match="does not exist"):
        find_run_folders([f"{tmp_path}/{name}"])


def test_a_folder_named_like_a_glob_is_itself(tmp_path):
    run_dir = write_run(tmp_path / "runs[1]")
    assert found_in(tmp_path / "runs[1]")[0] == [str(run_dir)]


def test_names_are_shown_as_text(tmp_path):
    folder = write_run(tmp_path / "runs", name="\x1b[31m\u202e\udcff")
    (folder / "versions.json").unlink()
    skipped = read_run(folder)
    assert skipped.name.endswith(r"/\x1b[31m\u202e\udcff") and skipped.name.isprintable()


@pytest.fixture
def archive(tmp_path):
    """An archive of the runs a and b."""
    run_dir = write_run(tmp_path / "source")
    path = tmp_path / "runs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("a", "b"):
            for text in FILES:
                file.write(run_dir / text, f"{name}/{text}")
    return path


def patch(path, name, **fields):
    """Change what an archive's directory says of an entry."""
    places = {"flags": (8, "<H"), "method": (10, "<H"), "size": (24, "<I"), "offset": (42, "<I")}
    data = bytearray(path.read_bytes())
    start = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
    local = struct.unpack_from("<I", data, start + 42)[0]
    for field, value in fields.items():
        struct.pack_into(places[field][1], data, start + places[field][0], value)
        if field in ("flags", "method"):
            struct.pack_into("<H", data, local + places[field][0] - 2, value)
    path.write_bytes(data)
    return local


def reasons_of(path):
    """By name of each run in an archive, None or why it is left out."""
    folders, skipped = find_run_folders([str(path)])
    found = [*skipped, *map(read_run, folders)]
    return {
        one.name.removeprefix(f"{path}/"): one.reason if isinstance(one, Skipped) else None for one in found
    }


def test_a_whole_archive_is_read(archive):
    assert reasons_of(archive) == {"a": None, "b": None}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"flags": 1}, "it is encrypted"),
        ({"method": 99}, "compressed by method 99"),
        ({"method": zipfile.ZIP_LZMA}, "compressed by method 14"),
        ({"size": 2**32 - 2}, "claims to hold 4,294,967,294 bytes"),
        ({"size": 3}, "Bad CRC|damaged"),
        ({"offset": 5}, "Bad magic|shares its bytes"),
    ],
)
def test_an_entry_that_cannot_be_read_leaves_out_its_run(archive, name, fields, reason):
    patch(archive, f"b/{name}", **fields)
    found = reasons_of(archive)
    if "offset" in fields:  # where the first entry is, which then is in doubt as well
        assert "shares its bytes" in found["a"]
    else:
        assert found["a"] is None
    assert re.search(reason, found["b"]), found["b"]


def test_a_bomb_is_not_read(archive, tmp_path):
    """Sixty megabytes of spaces in sixty kilobytes; a thousandth of a real one."""
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        for name in FILES:
            file.writestr(
                f"c/{name}", file.read(f"a/{name}") if name != "metrics.jsonl" else b" " * 60_000_000
            )
    found = reasons_of(archive)
    assert found["a"] is None and "claims to hold 60,000,000 bytes in 58," in found["c"]


def test_entries_on_the_same_bytes_are_left_out(archive):
    local = patch(archive, "a/metrics.jsonl")
    patch(archive, "b/metrics.jsonl", offset=local)
    found = reasons_of(archive)
    assert all("it shares its bytes with another file" in reason for reason in found.values())


def test_names_that_lead_elsewhere_are_left_out(archive):
    names = ["..", "../x", "x/../../y", "/x", "x//y", "x\\y", "C:\\x", "./x", "n" * 1001]
    with zipfile.ZipFile(archive, "a") as file:
        for name in names:
            file.writestr(f"{name}/config.yaml", "seed: 0\n")
        file.writestr("<b>/config.yaml", "seed: 0\n")
        file.writestr("e" * 300 + "/config.yaml", "seed: 0\n")
    found = reasons_of(archive)
    assert found["a"] is None and "metrics.jsonl and versions.json missing" in found["<b>"]
    assert "missing" in found["e" * 300]
    left_out = [name for name, reason in found.items() if "leads out" in (reason or "")]
    assert len(left_out) == len(names) - 1 and "longer than 1000 letters" in found["n" * 1001]


def test_what_is_twice_in_an_archive_is_left_out(archive):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(archive, "a") as file:
        file.writestr("a/sizes.json", "{}")
    assert reasons_of(archive) == {"a": "sizes.json is damaged: it is in the archive twice", "b": None}


def test_what_is_no_archive_is_named(tmp_path):
    for name, content in {"empty": b"", "text": b"x" * 100, "end": b"PK\x05\x06" + b"\xff" * 18}.items():
        (tmp_path / f"{name}.zip").write_bytes(content)
        assert reasons_of(tmp_path / f"{name}.zip") == {
            str(tmp_path / f"{name}.zip"): "is damaged: no archive of runs"
        }
