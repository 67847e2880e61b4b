"""Speed of the replay: rows per second added and drawn, beside TorchRL's buffer and the copying alone.

The floor of drawing is one contiguous copy of as many bytes from the same files to a batch. What is compared is
measured in turn in one process, so that a machine whose speed drifts slows all alike.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tensordict import TensorDict

from engram.agents.replay import Replay, Storage
from engram.agents.replay.layout import plan_layout, row_columns
from engram.benchmarks.options import BenchmarkOptions, Names, chosen
from engram.benchmarks.peers import peer
from engram.benchmarks.table import Table
from engram.benchmarks.timing import in_turn, medians, rate
from engram.common.checked import settings
from engram.common.option_types import Count, Positive, Word
from engram.training.faults import usage_errors


@settings()
class Options(BenchmarkOptions):
    """Options of this benchmark.

    Args:
        cases: all, or a list of recall, small, image: shapes and types of the observations.
        num_envs: environments that are stored.
        rows: stored per environment.
        block: rows per environment that are added at once.
        batch_size: windows of a batch.
        batch_length: rows of a window.
        peers: beside TorchRL's buffer on the same rows.
        seconds: of every measurement.
        repeats: measured ones of everything, taken in turn; one more warms up.
        folder: where the files are made; null: the system's folder for temporary files.
    """

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
COLUMNS = {
    "case": ("case", 10, ""),
    "row_bytes": ("bytes", 10, ","),
    "extend": ("extend", 14, ",.0f"),
    "sample": ("sample", 14, ",.0f"),
    "copy": ("copy", 14, ",.0f"),
    "torchrl": ("torchrl", 12, ",.0f"),
}


def measure(options: Options) -> dict[str, Any]:
    """Print rows per second of every case; returns them.

    They are those added, drawn, copied in one piece, and drawn by TorchRL's buffer.
    """
    names, table = chosen("cases", options.cases, CASES), Table(COLUMNS)
    for name in names:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            table.add(benchmark_case(name, Path(folder), options))
    return {"results": table.lines}


def benchmark_case(name: str, folder: Path, options: Options) -> dict[str, Any]:
    """Fill a replay with rows of one case and measure it; returns a line of the table, medians."""
    rows = make_rows(name, options.num_envs, options.block)
    columns = row_columns(rows[:, 0])
    row_bytes = sum(column.num_bytes for column in columns)
    with usage_errors():
        layout = plan_layout(
            options.num_envs,
            columns,
            options.num_envs * options.rows * row_bytes,
            window_length=options.batch_length,
            block_length=options.block,
        )
    replay = Replay(
        Storage.create(folder / "replay", layout),
        batch_size=options.batch_size,
        batch_length=options.batch_length,
        initial_carry=lambda batch_size: TensorDict({}, batch_size=[batch_size]),
    )
    extend = partial(replay.extend, rows, TensorDict({}, batch_size=[options.num_envs, 1]))
    while replay.num_rows < layout.slots:
        extend()
    batch_rows = options.batch_size * options.batch_length
    source = replay.ring.storage.tensors[max(columns, key=lambda column: column.num_bytes)].flatten()
    piece = source.view(torch.uint8)[: batch_rows * row_bytes]
    target = torch.empty_like(piece)
    calls: dict[str, tuple[Callable[[], Any], int]] = {
        "extend": (extend, rows.numel()),
        "sample": (replay.sample, batch_rows),
        "copy": (lambda: target.copy_(piece), target.numel() // row_bytes),
    }
    if options.peers:
        calls["torchrl"] = (torchrl_buffer(folder / "torchrl", rows, options).sample, batch_rows)
    device = torch.device("cpu")
    timers = {key: partial(rate, *call, options.seconds, device) for key, call in calls.items()}
    speeds = medians(in_turn(timers, options.repeats, warm_up=1))
    return {"case": name, "row_bytes": row_bytes, "torchrl": None, **speeds}


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


def torchrl_buffer(folder: Path, rows: TensorDict, options: Options) -> Any:
    """Make TorchRL's buffer of memory-mapped rows and windows of the same size, as full as the replay.

    Raises:
        UsageError: if TorchRL is not installed.
    """
    with peer("TorchRL's buffer", "set peers=false"):
        from torchrl.data import LazyMemmapStorage, SliceSampler, TensorDictReplayBuffer
    buffer = TensorDictReplayBuffer(
        storage=LazyMemmapStorage(options.num_envs * options.rows, scratch_dir=str(folder), ndim=2),
        sampler=SliceSampler(slice_len=options.batch_length, end_key="is_last"),
        batch_size=options.batch_size * options.batch_length,
        dim_extend=1,
    )
    for _ in range(options.rows // options.block):
        buffer.extend(rows)
    return buffer
