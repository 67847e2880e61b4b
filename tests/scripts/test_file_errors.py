"""A file or folder that cannot be used is one sentence that names it."""

import errno
import os

import pytest

from engram.common.errors import UsageError
from engram.common.machine_errors import sentence_of
from engram.run_files.run_folder import read_config
from engram.training.faults import usage_errors
from run_files import assert_refused, forge


@pytest.mark.parametrize(
    "number", [errno.EROFS, errno.EACCES, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG]
)
def test_what_the_system_refuses_is_named(number):
    assert sentence_of(OSError(number, os.strerror(number), "/data/run/lock")) == (
        f"A file or folder must be one that can be used, but '/data/run/lock' cannot: {os.strerror(number)}; give "
        "another, or change its permissions."
    )


def test_what_engram_refuses_stays_as_it_is(tmp_path):
    with pytest.raises(UsageError, match=f"A run's folder holds a config.yaml, but {tmp_path} has none"):
        with usage_errors():
            read_config(tmp_path)


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_a_run_and_a_sweep_that_cannot_be_written_to(run, trained, tmp_path, command):
    (tmp_path / "folder" / "lock").mkdir(parents=True)  # takes the place of the file
    forge(tmp_path / "folder", "config.yaml", (trained / "config.yaml").read_text())
    words = (
        [f"resume={tmp_path / 'folder'}"]
        if command == "train"
        else [f"dir={tmp_path / 'folder'}", "core=gru"]
    )
    assert_refused(run(command, *words), "folder does not .Is a directory.; copy it to a place of your own")
