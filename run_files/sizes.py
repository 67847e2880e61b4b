"""What a run's folder holds of its agent's sizes."""

from __future__ import annotations

from importlib.resources.abc import Traversable

from engram.run_files.bounded_text import read_mapping
from engram.run_files.names import SIZES_FILE

# Beyond, the script of a report's page counts no longer one by one.
_MOST = 2**53


def read_sizes(run_dir: Traversable) -> dict[str, int]:
    """Read an agent's sizes.

    Args:
        run_dir: its run's folder, on disk or in an archive.

    Returns:
        By the names of `Agent.sizes`; none where the run is older than the file.

    Raises:
        ValueError: if they are not counts.
    """
    path = run_dir / SIZES_FILE
    sizes = read_mapping(path) if path.is_file() else {}
    if not all(type(size) is int and 0 <= size <= _MOST for size in sizes.values()):
        raise ValueError(f"{SIZES_FILE} is damaged")
    return sizes
