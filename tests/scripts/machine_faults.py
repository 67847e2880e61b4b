"""Faults of the machine, brought about inside a command at a chosen moment: just before it touches a file of a disk.

A moment is a file that is opened for writing, made durable, renamed or removed, or a folder that is made.
"""

import contextlib
import errno
import os
import subprocess
import sys

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir")
FILLER, MOVED = "filler", "moved away"
NUMBERS = {"EIO": errno.EIO, "EDQUOT": errno.EDQUOT, "ENOSPC": errno.ENOSPC, "EMFILE": errno.EMFILE}


def check_own(disk):
    """Refuse to change anything but a tmpfs that was mounted by a user without rights, in a namespace of its own."""
    inside, outside, _ = open("/proc/self/uid_map").read().split()
    mounts = [line.split() for line in open("/proc/self/mounts")]
    is_mounted = any(place == disk and kind == "tmpfs" for _, place, kind, *_ in mounts)
    if (inside, is_mounted) != ("0", True) or outside == "0":
        raise ValueError(
            f"A fault is brought about on a tmpfs in a namespace of a test's own, but {disk} is none."
        )


def fill(disk, room=0):
    """Take all the room of a disk but `room` bytes; `mend` gives it back."""
    with open(f"{disk}/{FILLER}", "ab", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
        if room:
            file.truncate(max(os.fstat(file.fileno()).st_size - room, 0))


def become_read_only(disk):
    """Lay a read-only view over a disk: what is open stays so, as nothing else may be at a `remount,ro`."""
    subprocess.run(["mount", "--bind", disk, disk], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", disk], check=True)


def move_away(disk):
    """Rename every folder of a disk, as somebody does who tidies up."""
    for name in os.listdir(disk):
        if os.path.isdir(f"{disk}/{name}"):
            os.rename(f"{disk}/{name}", f"{disk}/{name} {MOVED}")


def mend(disk):
    """Undo whatever fault a disk has."""
    check_own(disk)
    subprocess.run(["mount", "-o", "remount,bind,rw", disk], check=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{disk}/{FILLER}")
    for name in os.listdir(disk):
        if name.endswith(f" {MOVED}"):
            os.rename(f"{disk}/{name}", f"{disk}/{name.removesuffix(f' {MOVED}')}")


FAULTS = {
    "full": fill,
    "nearly full": lambda disk: fill(disk, 8192),
    "read-only": become_read_only,
    "moved": move_away,
}


def install(request):
    """Bring a fault about in this process.

    Args:
        request: `disk`, and either `record`, a file that gets every moment, or `moment`, the number of one, and
            `fault`, one of `FAULTS`, or of `NUMBERS` for the system's error of that name, once.
    """
    from engram.training import user_code

    disk, moments = request["disk"], []
    check_own(disk)

    def meet(kind, path):
        if not path.startswith(f"{disk}/"):
            return
        moments.append(f"{kind} {os.path.relpath(path, disk)}")
        if "record" in request:
            print(moments[-1], file=record, flush=True)
        elif len(moments) == request["moment"]:
            if request["fault"] in NUMBERS:
                number = NUMBERS[request["fault"]]
                raise OSError(number, os.strerror(number), path)
            FAULTS[request["fault"]](disk)

    record = open(request["record"], "w") if "record" in request else None
    # What is raised here stands for the system's: this file is no code of a user's.
    user_code._LIBRARIES = (*user_code._LIBRARIES, __file__)
    _watch(meet)


def _watch(meet):
    """Call `meet` with the kind and the path of whatever is about to be done to a file."""
    is_busy = False

    def guarded(kind, path):
        nonlocal is_busy
        if is_busy:
            return
        is_busy = True
        try:
            meet(kind, path)
        finally:
            is_busy = False

    def hook(event, arguments):
        if event not in EVENTS or isinstance(arguments[0], int):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        guarded(event, os.fsdecode(arguments[0]))

    fsync = os.fsync

    def watched(descriptor):
        guarded("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    os.fsync = watched
    sys.addaudithook(hook)
