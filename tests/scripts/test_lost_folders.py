"""A run's folder that is removed or becomes read-only while the run writes to it is named in one sentence.

So is whatever else of the machine runs out, in a run or outside of one, with what stands and how to go on.
"""

import errno
import os
import shutil

import pytest
import torch

from engram.common.errors import UsageError
from engram.run_files.checkpoint import save_checkpoint
from engram.scripts.faults.errors import run
from engram.training.faults import faults_of_the_machine

COMMAND = "engram train resume=there allow=[mine]"


@pytest.fixture(autouse=True)
def raised_by_engram(monkeypatch):
    """What these tests raise counts as Engram's own; their file is code of a user's."""
    for module in ("scripts.faults.errors", "training.faults"):
        monkeypatch.setattr(f"engram.{module}.place_in_user_code", lambda error: None)


def test_a_folder_that_was_removed(tmp_path):
    folder = tmp_path / "a run"
    (folder / "checkpoints").mkdir(parents=True)
    shutil.rmtree(folder)
    with pytest.raises(
        UsageError,
        match=r"folder must stay where it is.*No such file.*back as it was, then: .*allow=\[mine\]$",
    ):
        with faults_of_the_machine(folder, COMMAND):
            save_checkpoint(folder / "checkpoints" / "latest.safetensors", {"a": 1})


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("form", [str, os.fsencode])  # libraries give bytes
def test_a_folder_that_became_read_only(tmp_path, number, form):
    with (
        pytest.raises(UsageError, match="cannot be written any more"),
        faults_of_the_machine(tmp_path, COMMAND),
    ):
        raise OSError(number, "Read-only file system", form(tmp_path / "metrics.jsonl"))


def test_other_files_are_none_of_it(tmp_path):
    with pytest.raises(FileNotFoundError), faults_of_the_machine(tmp_path / "run", COMMAND):
        (tmp_path / "rom.bin").read_bytes()


FULL, WORKS = "needs room on the disk, but got: ", "needs a disk that works, but got: "
MEMORY = "needs more memory than there is, but got: "
SHORTAGES = [
    (errno.ENOSPC, FULL, "free space, then: "),
    (errno.EDQUOT, FULL, "free space, or ask for a larger quota, then: "),
    (errno.EIO, WORKS, "let the system's log say what is wrong with it (dmesg), then: "),
    (errno.ENOMEM, MEMORY, "take fewer environments, a smaller batch or a smaller model, then: "),
    (
        errno.EMFILE,
        "needs more open files than the system allows it, but got: ",
        "raise that limit (ulimit -n)",
    ),
    (
        errno.EAGAIN,
        "needs more processes than the system allows it, but got: ",
        "raise that limit (ulimit -u)",
    ),
]


@pytest.mark.parametrize(("number", "need", "remedy"), SHORTAGES)
@pytest.mark.parametrize("has_checkpoint", [True, False])
def test_a_run_says_what_it_needs_and_what_stands(tmp_path, number, need, remedy, has_checkpoint):
    if has_checkpoint:
        (tmp_path / "checkpoints").mkdir()
        # Between two renames only this one is there.
        (tmp_path / "checkpoints" / "latest.previous.safetensors").touch()
    with pytest.raises(UsageError) as caught, faults_of_the_machine(tmp_path, COMMAND):
        raise OSError(number, os.strerror(number), str(tmp_path / "metrics.jsonl"))
    standing = f"the last checkpoint of {tmp_path} is intact: "
    if not has_checkpoint:
        standing = f"{tmp_path} holds no checkpoint yet and begins anew: "
    sentence = str(caught.value)
    assert sentence.startswith(
        f"A run {need}{os.strerror(number)}, {tmp_path}/metrics.jsonl; {standing}{remedy}"
    )
    assert sentence.endswith(f", then: {COMMAND}")


@pytest.mark.parametrize(("number", "need", "remedy"), [*SHORTAGES, (errno.EROFS, "'/data/x' cannot: ", "")])
def test_so_does_every_command(capsys, number, need, remedy):
    def main(words):
        raise OSError(number, os.strerror(number), "/data/x")

    assert run(main, []) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert (
        need + os.strerror(number) in sentence
        and remedy.partition(", then")[0] in sentence
        and "/data/x" in sentence
    )


def ask_for_too_much():
    torch.empty(1 << 50)


def raise_memory_error():
    raise MemoryError


@pytest.mark.parametrize(
    ("ask", "got"), [(ask_for_too_much, "can't allocate memory"), (raise_memory_error, "it")]
)
def test_memory_that_runs_out(tmp_path, monkeypatch, ask, got):
    monkeypatch.setattr(
        "engram.training.faults.place_in_user_code", lambda error: None
    )  # this file is none of Engram's
    with pytest.raises(UsageError, match=f"{MEMORY}.*{got}.* begins anew: take fewer environments"):
        with faults_of_the_machine(tmp_path, COMMAND):
            ask()


def test_an_error_that_says_more_itself_stays_as_it_is(tmp_path):
    with pytest.raises(OSError, match="A replay reserves"), faults_of_the_machine(tmp_path, COMMAND):
        raise OSError(errno.ENOSPC, "A replay reserves all its room on the disk at once, but …")
