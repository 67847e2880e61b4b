"""What a process and its descendants hold of the machine, as Linux tells it in /proc."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_SHARED = "/dev/shm/"
_DELETED = " (deleted)"


@dataclass(frozen=True)
class Process:
    """One process; a number is given again, but not with the same start.

    Attributes:
        pid: its number.
        start: when it began, in the system's ticks.
    """

    pid: int
    start: int


@dataclass(frozen=True)
class Holding:
    """What some processes hold together.

    Attributes:
        rss: resident bytes, shared ones counted once for each process.
        uss: resident bytes of the first process that no other shares.
        uss_workers: the same of all others together.
        files: open file descriptors.
        threads: how many.
        processes: how many.
        shared: bytes of shared memory below /dev/shm, each piece once.
    """

    rss: int
    uss: int
    uss_workers: int
    files: int
    threads: int
    processes: int
    shared: int


def family(pid: int) -> list[Process]:
    """A process and all its descendants that have not ended; empty if it has."""
    children: dict[int, list[int]] = {}
    known: dict[int, Process] = {}
    for process, parent in _running():
        known[process.pid] = process
        children.setdefault(parent, []).append(process.pid)
    found, waiting = [], [pid] if pid in known else []
    while waiting:
        one = waiting.pop()
        found.append(known[one])
        waiting += children.get(one, [])
    return found


def running(processes: set[Process]) -> set[Process]:
    """Those that have not ended."""
    return processes & {process for process, _ in _running()}


def held_by(processes: list[Process]) -> tuple[Holding, set[str]]:
    """What a process and others, its workers, hold now; one that ends meanwhile holds nothing.

    Returns:
        The sums, and the names below /dev/shm of what they share.
    """
    rss = files = threads = 0
    uss = [0] * len(processes)
    pieces: dict[str, int] = {}
    names: set[str] = set()
    for index, process in enumerate(processes):
        folder = _PROC / str(process.pid)
        with suppress(OSError, ValueError):
            memory = _fields(folder / "smaps_rollup")
            rss += 1024 * memory["Rss"]
            uss[index] = 1024 * (memory["Private_Clean"] + memory["Private_Dirty"])
            files += sum(1 for _ in (folder / "fd").iterdir())
            threads += sum(1 for _ in (folder / "task").iterdir())
            for inode, size, name in _shared_memory((folder / "maps").read_text()):
                pieces[inode] = max(size, pieces.get(inode, 0))
                names.add(name)
    counts = {"files": files, "threads": threads, "processes": len(processes), "shared": sum(pieces.values())}
    return Holding(rss, sum(uss[:1]), sum(uss[1:]), **counts), names


def _running() -> Iterator[tuple[Process, int]]:
    """Every process that has not ended, with its parent's number."""
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            # The name of the program is in brackets, and may hold anything.
            state, parent, *rest = (folder / "stat").read_text().rpartition(")")[2].split()
            if state not in "ZX":
                yield Process(int(folder.name), int(rest[17])), int(parent)


def _fields(path: Path) -> dict[str, int]:
    """The kilobytes that a file of /proc lists by name."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return {line[0].rstrip(":"): int(line[1]) for line in lines if line[-1] == "kB"}


def _shared_memory(maps: str) -> Iterator[tuple[str, int, str]]:
    """Inode, bytes and name of every piece below /dev/shm in a process' map of memory."""
    for line in maps.splitlines():
        addresses, _, _, _, inode, *name = line.split(maxsplit=5)
        if name and name[0].startswith(_SHARED):
            begin, end = (int(address, 16) for address in addresses.split("-"))
            yield inode, end - begin, name[0].removesuffix(_DELETED)
