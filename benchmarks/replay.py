"""Speed of the replay: rows per second added and drawn, beside TorchRL's buffer and the copying alone.

The floor of drawing is one contiguous copy of as many bytes from the same files to a batch. What is compared is
measured in turn in one process, so that a machine whose speed drifts slows all alike.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tensordict import TensorDict

from engram.agents.replay import Replay, Storage
from engram.agents.replay.layout import plan_layout, row_columns
from engram.benchmarks.options import BenchmarkOptions, Names
from engram.benchmarks.timing import in_turn
from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Count, Positive, Word
from engram.common.say import say
from engram.scripts.faults.errors import usage_errors


@settings()
class Options(BenchmarkOptions):
    """Options of this benchmark, as `configs/benchmark_replay.yaml` says what they are for."""

    cases: Names = "all"
    num_envs: Count = 8
    rows: Count = 20000
    block: Count = 16
    batch_size: Count = 16
    batch_length: Count = 64
    peers: bool = True
    seconds: Positive = 0.5
    repeats: Count = 3
    folder: Word | None = None


# Shapes and types of the observations.
CASES = {
    "recall": ((), torch.int64),
    "small": ((16,), torch.float32),
    "image": ((64, 64, 3), torch.uint8),
}


@dataclass(frozen=True)
class Result:
    """Rows per second of one case; medians.

    Attributes:
        case: its name.
        row_bytes: of one row on disk.
        extend: rows added.
        sample: rows drawn.
        copy: rows of the same size copied in one piece.
        torchrl: rows drawn by TorchRL's buffer; None if it was not asked for.
    """

    case: str
    row_bytes: int
    extend: float
    sample: float
    copy: float
    torchrl: float | None


def measure(config: dict[str, Any]) -> dict[str, Any]:
    """Print rows per second of every case; returns them."""
    names, results = _chosen(config["cases"]), []
    columns = ("case", "bytes", "extend", "sample", "copy", "torchrl")
    say("{:<10}{:>10}{:>14}{:>14}{:>14}{:>12}".format(*columns))
    for name in names:
        with tempfile.TemporaryDirectory(dir=config["folder"]) as folder:
            result = benchmark_case(name, Path(folder), config)
        peer = "" if result.torchrl is None else f"{result.torchrl:,.0f}"
        say(
            f"{name:<10}{result.row_bytes:>10,}{result.extend:>14,.0f}{result.sample:>14,.0f}"
            f"{result.copy:>14,.0f}{peer:>12}",
            flush=True,
        )
        results.append(result)
    return {"results": [asdict(result) for result in results]}


def benchmark_case(name: str, folder: Path, config: dict[str, Any]) -> Result:
    """Fill a replay with rows of one case and measure it."""
    rows = make_rows(name, config["num_envs"], config["block"])
    columns = row_columns(rows[:, 0])
    row_bytes = sum(column.num_bytes for column in columns)
    with usage_errors():
        layout = plan_layout(
            config["num_envs"],
            columns,
            config["num_envs"] * config["rows"] * row_bytes,
            window_length=config["batch_length"],
            block_length=config["block"],
        )
    replay = Replay(
        Storage.create(folder / "replay", layout),
        batch_size=config["batch_size"],
        batch_length=config["batch_length"],
        initial_carry=lambda batch_size: TensorDict({}, batch_size=[batch_size]),
    )
    extend = partial(replay.extend, rows, TensorDict({}, batch_size=[config["num_envs"], 1]))
    while replay.num_rows < layout.slots:
        extend()
    batch_rows = config["batch_size"] * config["batch_length"]
    source = replay.ring.storage.tensors[max(columns, key=lambda column: column.num_bytes)].flatten()
    piece = source.view(torch.uint8)[: batch_rows * row_bytes]
    target = torch.empty_like(piece)
    calls: dict[str, tuple[Callable[[], Any], int]] = {
        "extend": (extend, rows.numel()),
        "sample": (replay.sample, batch_rows),
        "copy": (lambda: target.copy_(piece), target.numel() // row_bytes),
    }
    if config["peers"]:
        calls["torchrl"] = (torchrl_buffer(folder / "torchrl", rows, config).sample, batch_rows)
    measure = {key: partial(_speed, *call, config["seconds"]) for key, call in calls.items()}
    speeds = in_turn(measure, config["repeats"] + 1)
    medians = {key: statistics.median(values[1:]) for key, values in speeds.items()}
    speeds_of = (medians["extend"], medians["sample"], medians["copy"], medians.get("torchrl"))
    return Result(name, row_bytes, *speeds_of)


def make_rows(name: str, num_envs: int, length: int) -> TensorDict:
    """Make rows of a case as a driver hands them out, `[num_envs, length]`."""
    shape, dtype = CASES[name]
    batch = (num_envs, length)
    flags = {key: torch.zeros(batch, dtype=torch.bool) for key in ("is_first", "is_last", "is_terminal")}
    action = torch.zeros(batch, dtype=torch.int64)
    obs = torch.ones((*batch, *shape), dtype=dtype)
    values = {
        "obs": obs,
        "reward": torch.zeros(batch),
        "prev_action": action,
        **flags,
        "action": action.clone(),
    }
    return TensorDict(values, batch_size=batch)


def torchrl_buffer(folder: Path, rows: TensorDict, config: dict[str, Any]) -> Any:
    """Make TorchRL's buffer of memory-mapped rows and windows of the same size, as full as the replay.

    Raises:
        UsageError: if TorchRL is not installed.
    """
    try:
        from torchrl.data import LazyMemmapStorage, SliceSampler, TensorDictReplayBuffer
    except ImportError as error:
        raise UsageError(
            "The peer is TorchRL's buffer, but torchrl is not installed; "
            "pip install -e '.[torchrl]', or set peers=false."
        ) from error
    buffer = TensorDictReplayBuffer(
        storage=LazyMemmapStorage(config["num_envs"] * config["rows"], scratch_dir=str(folder), ndim=2),
        sampler=SliceSampler(slice_len=config["batch_length"], end_key="is_last"),
        batch_size=config["batch_size"] * config["batch_length"],
        dim_extend=1,
    )
    for _ in range(config["rows"] // config["block"]):
        buffer.extend(rows)
    return buffer


def _chosen(names: str | list[str]) -> list[str]:
    """Read the option `cases`; UsageError if it names one that does not exist."""
    chosen = list(CASES) if names == "all" else list(names)
    unknown = [name for name in chosen if name not in CASES]
    if unknown:
        raise UsageError(
            f"cases must be all, or a list of {', '.join(CASES)}, but got {unknown[0]!r}; name these."
        )
    return chosen


def _speed(call: Callable[[], Any], rows: int, seconds: float) -> float:
    """Call for so many seconds; returns rows per second."""
    start, calls = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds or calls == 0:
        call()
        calls += 1
    return calls * rows / elapsed
