"""A run's folder that is removed or becomes read-only while the run writes to it is named in one sentence."""

import errno
import os
import shutil

import pytest

from agents.checkpoint import save_checkpoint
from scripts.errors import UsageError, room_errors


def test_a_folder_that_was_removed(tmp_path):
    folder = tmp_path / "a run"
    (folder / "checkpoints").mkdir(parents=True)
    shutil.rmtree(folder)
    with pytest.raises(UsageError, match=r"folder must stay where it is.*No such file.*'resume=.*a run'\.$"):
        with room_errors(folder):
            save_checkpoint(folder / "checkpoints" / "latest.safetensors", {"a": 1})


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("form", [str, os.fsencode])  # libraries give bytes
def test_a_folder_that_became_read_only(tmp_path, number, form):
    with pytest.raises(UsageError, match="cannot be written any more"), room_errors(tmp_path):
        raise OSError(number, "Read-only file system", form(tmp_path / "metrics.jsonl"))


def test_other_files_are_none_of_it(tmp_path):
    with pytest.raises(FileNotFoundError), room_errors(tmp_path / "run"):
        (tmp_path / "rom.bin").read_bytes()
