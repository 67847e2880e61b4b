"""Lines of metrics that were edited, lost, moved or torn are named; those of a run that goes on are not lost."""

import json
import warnings

import pytest

from engram.run_files.logger import Logger
from engram.run_files.metric_lines import LogMark, write_line
from engram.run_files.metrics_log import cut_metrics, find_kept, read_metrics, stream_metrics
from engram.run_files.sealed_json import EditedFileError

ROWS = [{"env_steps": 10 * number, "x": float(number)} for number in range(1, 6)]


@pytest.fixture
def log(tmp_path):
    """A log of five lines, and how much of it there was after each."""
    path, marks, texts = tmp_path / "metrics.jsonl", [LogMark()], []
    for row in ROWS:
        text, own = write_line(row, marks[-1].hash)
        texts.append(text)
        marks.append(LogMark(len(texts), own))
    path.write_text("".join(texts))
    return path, marks


def test_a_line_holds_a_hash_of_itself_and_of_the_line_before():
    text, own = write_line({"env_steps": 1, "x": 0.5}, "")
    # printf '{"env_steps": 1, "x": 0.5' | sha256sum
    assert text == f'{{"env_steps": 1, "x": 0.5, "hash": "{own}"}}\n' and own == "eb824caea0a22da1"
    assert write_line({"env_steps": 1, "x": 0.5}, "0" * 16)[1] != own


def lines_of(path):
    return path.read_bytes().splitlines(keepends=True)


DAMAGE = {
    "a number": (
        lambda lines: [lines[0], lines[1].replace(b"2.0", b"2.5"), *lines[2:]],
        "line 2 is not what",
    ),
    "a byte": (lambda lines: [lines[0], b"\xff" + lines[1], *lines[2:]], "line 2 is not JSON in UTF-8"),
    "torn": (lambda lines: [lines[0], lines[1][:9] + b"\n", *lines[2:]], "line 2 is not JSON in UTF-8"),
    "torn and joined": (lambda lines: [lines[0], lines[1][:9], *lines[2:]], "line 2 is not JSON in UTF-8"),
    "a list": (lambda lines: [lines[0], b"[1]\n", *lines[2:]], "line 2 is no JSON object"),
    "nested": (lambda lines: [lines[0], b'{"a":' * 3000 + b"\n", *lines[2:]], "line 2 is not JSON"),
    "lost": (lambda lines: [lines[0], *lines[2:]], "line 2 is not what was written after the line before"),
    "first lost": (lambda lines: lines[1:], "line 1 is not what"),
    "swapped": (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 2 is not what"),
    "twice": (lambda lines: [*lines[:2], *lines[1:]], "line 3 is not what"),
    "added": (lambda lines: [*lines[:2], b'{"env_steps": 21}\n', *lines[2:]], "line 3 has no hash"),
    "empty line": (lambda lines: [*lines[:2], b"\n", *lines[2:]], "line 3 is not JSON"),
    "without hashes": (
        lambda lines: [json.dumps(row).encode() + b"\n" for row in ROWS],
        "line 5 is not the one",
    ),
    "last lost": (lambda lines: lines[:4], "it has 4 whole lines, but 5 were written"),
    "last torn": (lambda lines: [*lines[:4], lines[4][:-5]], "line 5 is not JSON"),
    "empty": (lambda lines: [], "it has 0 whole lines, but 5 were written"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_by_its_line(log, kind):
    path, marks = log
    damage, expected = DAMAGE[kind]
    path.write_bytes(b"".join(damage(lines_of(path))))
    with pytest.raises(EditedFileError, match=expected):
        list(stream_metrics(path, marks[5]))
    before = path.read_bytes()
    with pytest.raises(
        EditedFileError, match=r"metrics\.jsonl was edited or damaged since: .*trust_edited=true"
    ):
        find_kept(path, 50, marks[5])
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", DAMAGE)
def test_trusted_lines_are_taken_and_hashed_anew(log, kind):
    path, marks = log
    path.write_bytes(b"".join(DAMAGE[kind][0](lines_of(path))))
    with pytest.warns(UserWarning, match="taken as it is, because trust_edited"):
        rows = list(stream_metrics(path, marks[5], trust_edited=True))
    with pytest.warns(UserWarning, match="taken as it is"):
        kept = find_kept(path, 50, marks[5], trust_edited=True)
    mark = cut_metrics(path, kept, 50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(stream_metrics(path, mark)) == rows
    assert mark.lines == len(lines_of(path))


@pytest.mark.parametrize("tail", [b"", b'{"env_steps": 60', b"\x00\x00\xff", b"\xff\xfe\n", b"{\n"])
def test_a_last_line_that_was_cut_off_while_being_written_is_no_damage(log, tail):
    path, marks = log
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    assert list(stream_metrics(path, marks[5])) == ROWS == read_metrics(path)
    assert cut_metrics(path, find_kept(path, 50, marks[5]), 50) == marks[5]
    assert path.read_bytes() == whole


@pytest.mark.parametrize("tail", [b"", b"\xff\n\xfe\n", b'{"env_steps": 45}\n', b"torn\n"])
def test_whatever_follows_the_checkpoint_is_cut(log, tail):
    """Lines that come after what the checkpoint counts on will be written again: damage in them is none."""
    path, marks = log
    lines = lines_of(path)
    path.write_bytes(b"".join([*lines[:3], tail, *lines[4:]]))
    kept = find_kept(path, 30, marks[3])
    assert not kept.is_edited and cut_metrics(path, kept, 30) == marks[3]
    assert path.read_bytes() == b"".join(lines[:3])


def test_a_newline_that_an_editor_took_is_put_back(log):
    path, marks = log
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert list(stream_metrics(path, marks[5])) == ROWS
    assert cut_metrics(path, find_kept(path, 50, marks[5]), 50) == marks[5]
    assert path.read_bytes() == whole


def old_log(path, *insertions):
    """A log of before: lines without hashes, with others between them."""
    lines = [json.dumps(row).encode() + b"\n" for row in ROWS]
    for place, text in insertions:
        lines.insert(place, text)
    path.write_bytes(b"".join(lines))


def test_lines_of_before_are_read_and_get_hashes_when_their_run_goes_on(tmp_path):
    path = tmp_path / "metrics.jsonl"
    old_log(path, (4, b"torn\n"))  # between the lines of steps 40 and 50
    kept = find_kept(path, 40, None)
    assert kept.is_rewritten and not kept.is_edited
    mark = cut_metrics(path, kept, 40)
    assert list(stream_metrics(path, mark)) == ROWS[:4]
    assert all(b', "hash": "' in line for line in lines_of(path))
    assert cut_metrics(path, find_kept(path, 40, None), 40) == mark


def test_a_torn_line_of_before_within_what_is_kept_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    old_log(path, (2, b'{"env_ste\n'))
    with pytest.raises(EditedFileError, match="line 3 is no JSON object with env_steps"):
        find_kept(path, 50, None)
    with pytest.warns(UserWarning, match="line 3"):
        kept = find_kept(path, 50, None, trust_edited=True)
    assert kept.is_edited
    assert list(stream_metrics(path, cut_metrics(path, kept, 50))) == ROWS


def test_a_log_that_is_missing(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert cut_metrics(path, find_kept(path, 0, LogMark()), 0) == LogMark() and path.read_bytes() == b""
    path.unlink()
    with pytest.raises(EditedFileError, match="it has 0 whole lines, but 3 were written"):
        find_kept(path, 30, LogMark(3, "0" * 16))


def test_a_log_that_is_removed_or_replaced_while_the_run_goes_on_is_written_again(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with Logger(tmp_path, tensorboard=False) as logger:
        logger.log({"x": 1.0}, 10)
        path.unlink()
        with pytest.warns(
            UserWarning, match="metrics.jsonl was removed while the run goes on; .* no line is lost"
        ):
            logger.log({"x": 2.0}, 20)
        (tmp_path / "edited").write_text("an editor's copy")
        (tmp_path / "edited").replace(path)
        with pytest.warns(
            UserWarning, match=r"replaced by another file, which is kept as metrics.replaced-1.jsonl"
        ):
            logger.log({"x": 3.0}, 30)
        path.unlink()
        with pytest.warns(UserWarning, match="removed"):
            logger.flush()
        assert list(stream_metrics(path, logger.mark)) == ROWS[:3] and not logger.is_edited
        logger.log({"x": 4.0}, 40)
    assert list(stream_metrics(path, logger.mark)) == ROWS[:4]
    assert (tmp_path / "metrics.replaced-1.jsonl").read_text() == "an editor's copy"
    assert not list(tmp_path.glob("*.tmp"))


def test_a_log_that_is_overwritten_while_the_run_goes_on_keeps_what_is_left(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with Logger(tmp_path, tensorboard=False) as logger:
        logger.log({"x": 1.0}, 10)
        logger.log({"x": 2.0}, 20)
        with path.open("ab") as file:
            file.write(b"a note\n")
        with pytest.warns(
            UserWarning, match="was changed while the run goes on; what was added is taken out"
        ):
            logger.log({"x": 3.0}, 30)
        assert logger.mark.lines == 3 and not logger.is_edited
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.warns(UserWarning, match="was changed while the run goes on; 1 of its 3 lines are lost"):
            logger.log({"x": 4.0}, 40)
        assert logger.is_edited
    assert list(stream_metrics(path, logger.mark)) == [ROWS[0], ROWS[1], ROWS[3]]


def test_a_folder_that_is_moved_takes_its_open_log_along(tmp_path):
    (tmp_path / "run").mkdir()
    with Logger(tmp_path / "run", tensorboard=False) as logger:
        logger.log({"x": 1.0}, 10)
        (tmp_path / "run").rename(tmp_path / "moved")
        logger.log({"x": 2.0}, 20)
    assert read_metrics(tmp_path / "moved" / "metrics.jsonl") == ROWS[:2]
    assert not (tmp_path / "run").exists()
