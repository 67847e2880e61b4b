"""Disks of a test's own: mounted by a user without rights in a namespace that ends with it.

Nothing of the machine can change, whatever a test does: tests of root give up root's rights first.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from command_server import ROOT, CommandRunner

NOBODY = 65534
_AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
_IN_A_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "--propagation=private")


def namespace_words(folder):
    """The words that start a command without rights, in a namespace of its own.

    Skips the test where the system forbids it.

    Args:
        folder: belongs to the user without rights.
    """
    words = [*(_AS_NOBODY if os.geteuid() == 0 else ()), *_IN_A_NAMESPACE]
    for tool in (words[0], "unshare", "mount"):
        if shutil.which(tool) is None:
            pytest.skip(f"a disk of a test's own is mounted with {tool}, which this machine lacks")
    tried = subprocess.run([*words, "mount", "-t", "tmpfs", "none", folder], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(
            f"this machine lets nobody mount a disk in a namespace of their own: {tried.stderr.strip()}"
        )
    python = [*words, sys.executable, "-c", "import torch, command_server"]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "scripts")])
    if subprocess.run(python, env=os.environ | {"PYTHONPATH": paths}, capture_output=True).returncode:
        pytest.skip(
            f"a user without rights cannot run {sys.executable}, as these tests do; run them as such a user"
        )
    return words


@contextlib.contextmanager
def folder_without_rights(tmp_path):
    """A folder that belongs to the user who runs commands; what root's tests leave there is removed file by file."""
    if os.geteuid() != 0:
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="disks-"))
    os.chown(folder, NOBODY, NOBODY)
    try:
        yield folder
    finally:
        for path in folder.iterdir():
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()


class Disks:
    """Runs commands where small disks can be mounted, filled up and made read-only.

    Args:
        folder: of `folder_without_rights`; the commands' output is put there, and the disks are.
    """

    def __init__(self, folder):
        self.folder, self._count = folder, 0
        self.run = CommandRunner(folder, namespace_words(folder))

    def mount(self, size="4m"):
        """Mount a new empty disk; returns its path as commands see it."""
        self._count += 1
        disk = self.folder / f"disk-{self._count}"
        self.system("mkdir", disk)
        self.system("mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk)
        return disk

    def system(self, *words):
        """Run a command of the system in the namespace."""
        code, err = self.run.system(*words)
        assert code == 0, err

    def unmount(self, disk):
        """Give a disk back, and with it all that it holds."""
        self.system("umount", "-l", disk)

    def break_down(self, disk, fault):
        """Bring a fault about between two commands: `fill` or `become_read_only`."""
        code = f"import machine_faults as own; own.check_own({str(disk)!r}); own.{fault}({str(disk)!r})"
        self.system(sys.executable, "-c", code)

    def mend(self, disk):
        """Undo a disk's fault."""
        self.system(sys.executable, "-c", f"import machine_faults; machine_faults.mend({str(disk)!r})")

    def outside(self, path):
        """The path by which this process reaches what commands see at `path`."""
        return Path(f"/proc/{self.run.pid}/root{path}")

    def close(self):
        """End the commands' server, and with it the disks."""
        self.run.close()
