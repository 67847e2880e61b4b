"""The lock of a run's folder: one process at a time, and nothing is left of a process that is gone."""

import errno
import os
import subprocess
import sys

import filelock
import pytest

from engram.common.errors import UsageError
from engram.run_files.run_lock import LOCK_FILE, folder_lock, is_locked

HOLDER = """
import pathlib, sys, time
from engram.run_files.run_lock import folder_lock
with folder_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder's lock."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_killed_process_holds_nothing(tmp_path, holder):
    assert is_locked(tmp_path)
    with pytest.raises(UsageError, match="One process at a time may write to"), folder_lock(tmp_path, 0.2):
        pass
    holder.kill()
    with folder_lock(tmp_path, wait_seconds=30):
        assert (tmp_path / LOCK_FILE).read_bytes() == b""


def test_the_lock_is_free_after_the_block(tmp_path):
    with folder_lock(tmp_path):
        assert is_locked(tmp_path)  # for others, as each hold is one of its own
    assert not is_locked(tmp_path)
    with pytest.raises(ZeroDivisionError), folder_lock(tmp_path):
        _ = 1 / 0
    assert not is_locked(tmp_path)


def refuse(monkeypatch, number):
    """Let the system refuse a lock."""

    def acquire(self):
        raise OSError(number, os.strerror(number), self.lock_file)

    monkeypatch.setattr(filelock.FileLock, "_acquire", acquire)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_is_read_only(tmp_path, monkeypatch, number):
    refuse(monkeypatch, number)
    with pytest.raises(UsageError, match=rf"{tmp_path} does not \({os.strerror(number)}\); copy it"):
        with folder_lock(tmp_path):
            pass
    assert is_locked(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_locks(tmp_path, monkeypatch, number):
    def flock(file, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(UsageError, match=r"; its disk has no locks, .*put it on one of this machine"):
        with folder_lock(tmp_path):
            pass
    assert [path.name for path in tmp_path.iterdir()] in ([], [LOCK_FILE])


def test_a_full_disk_stays_one(tmp_path, monkeypatch):
    refuse(monkeypatch, errno.ENOSPC)
    with pytest.raises(OSError) as caught, folder_lock(tmp_path):
        pass
    assert caught.value.errno == errno.ENOSPC
