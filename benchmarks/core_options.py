"""Options of the benchmark of cores, and what they leave open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from engram.benchmarks.options import Counts, DeviceOptions, Names, Rates
from engram.benchmarks.timing import free_memory
from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Count, Packages, Positive, Seed, Word
from engram.run_files.outputs import check_writable_file
from engram.run_files.versions import versions
from engram.tools.core_files import core_families, core_names

CUDA_LENGTHS = [2**power for power in range(5, 17)]
CPU_LENGTHS = [32, 128, 512, 2048]


@settings()
class Options(DeviceOptions):
    """Options of this benchmark.

    Args:
        cores: all files of configs/core, or a list: [lstm,s5]; families such as [scan,matrix] stand for all of theirs,
            and my_package.MyCore is one too.
        peers: beside library kernels, TorchRL's LSTM and FFM as published.
        lengths: rows T; null: 32, 64, … 65,536 on cuda, and 32, 128, 512, 2,048 on a CPU; []: none.
        reset_rates: share of rows that begin an episode.
        batch_size: sequences at once.
        input_size: of the cores.
        hidden_size: in place of the files'; null: the files' own.
        dtype: float32, or bfloat16 (autocast).
        seed: of parameters and rows.
        repeats: measured calls of each, taken in turn; one more warms up.
        budget_s: what would take longer, for one core at one length, is skipped and said so.
        budget_gib: likewise for memory; null: half of what is free.
        acting_rows: rows of an episode at which a step is timed; []: none.
        plot: a picture (.png); null: none.
        allow: packages of your own whose classes may be built.
    """

    cores: Names = "all"
    peers: bool = True
    lengths: Counts | None = None
    reset_rates: Rates = (0, 0.03)
    batch_size: Count = 16
    input_size: Count = 128
    hidden_size: Count | None = 128
    dtype: Literal["float32", "bfloat16"] = "float32"
    seed: Seed = 0
    repeats: Count = 3
    budget_s: Positive = 8
    budget_gib: Positive | None = None
    acting_rows: Counts = (100, 10000)
    plot: Word | None = None
    allow: Packages = ()

    @property
    def place(self) -> torch.device:
        """The device as torch has it."""
        return torch.device(self.device)

    def precision(self) -> torch.autocast:
        """Return the context in which forward passes run."""
        return torch.autocast(self.place.type, dtype=torch.bfloat16, enabled=self.dtype == "bfloat16")

    def describe(self) -> str:
        """Say in a line what is measured."""
        return (
            f"{self.batch_size} environments, {self.dtype}, on {versions(self.device)['device']}, "
            f"threads={self.threads}, hidden size {self.hidden_size or 'of each file'}"
        )


def expand(names: Sequence[str]) -> list[str]:
    """Put the cores of a family in the place of its name, once each."""
    families = core_families()
    return list(dict.fromkeys(core for name in names for core in families.get(name, [name])))


def complete(options: Options) -> Options:
    """Fill in the defaults that depend on other options.

    Raises:
        UsageError: if a plot cannot be drawn.
    """
    lengths = options.lengths
    if lengths is None:
        lengths = CUDA_LENGTHS if options.place.type == "cuda" else CPU_LENGTHS
    if options.plot:
        check_writable_file("plot", Path(options.plot))
        if not lengths:
            raise UsageError(
                "A plot shows times over lengths, but got lengths=[]; set lengths=[32,128] or plot=null."
            )
        if Path(options.plot).suffix != ".png":
            raise UsageError(f"plot must end in .png, but got {options.plot!r}; set plot=cores.png.")
    return replace(
        options,
        cores=core_names() if options.cores == "all" else expand(options.cores),
        lengths=sorted(set(lengths)),
        reset_rates=sorted(set(options.reset_rates)),
        acting_rows=sorted(set(options.acting_rows)),
        budget_gib=options.budget_gib or round(free_memory(options.place) / 2**31, 1),
    )
