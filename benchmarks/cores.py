"""Speed and memory of every core over sequence lengths, beside its peers and a floor, all measured in turn."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

import torch

from engram.benchmarks.core_peers import Contender, Floor, make_contender, make_peers
from engram.benchmarks.core_report import (
    REFERENCE,
    draw,
    find_ratios,
    is_peer,
    make_document,
    print_acting,
    print_lengths,
    print_ratios,
)
from engram.benchmarks.core_timing import Sizes, carry_bytes, measure_acting, measure_lengths
from engram.benchmarks.options import BenchmarkOptions, Counts, Names, Rates
from engram.benchmarks.timing import copy_bandwidth, free_memory
from engram.common.checked import settings
from engram.common.errors import UsageError
from engram.common.option_types import Count, Packages, Positive, Seed, Word
from engram.common.say import say
from engram.memory_cores import MemoryCore
from engram.scripts.faults.errors import usage_errors
from engram.scripts.faults.outputs import check_writable_file
from engram.tools.core_files import core_maker, core_names
from engram.training.new_run import versions


@settings()
class Options(BenchmarkOptions):
    """Options of this benchmark, as `configs/benchmark_cores.yaml` says what they are for."""

    device: Word = "cpu"
    cores: Names = "all"
    peers: bool = True
    lengths: Counts | None = None
    reset_rates: Rates = (0, 0.03)
    batch_size: Count = 16
    input_size: Count = 128
    hidden_size: Count | None = 128
    dtype: Literal["float32", "bfloat16"] = "float32"
    seed: Seed = 0
    repeats: Count = 5
    budget_s: Positive = 20
    budget_gib: Positive | None = None
    acting_rows: Counts = (100, 10000)
    plot: Word | None = None
    allow: Packages = ()


CUDA_LENGTHS = [2**power for power in range(5, 17)]
CPU_LENGTHS = [32, 128, 512, 2048]


def measure(config: dict[str, Any]) -> dict[str, Any]:
    """Print times and peak memory of every core and its peers, draw them if asked to; returns them."""
    with usage_errors():
        config = complete(config)
        sizes, cores = Sizes.of(config), make_cores(config)
        contenders, notes = make_contenders(cores, config)
    if notes:
        say(*notes)
    bandwidth = copy_bandwidth(sizes.device, torch.float32, 1 << 24)
    say(f"{describe(config)}; memory is copied at {bandwidth / 1e9:.3g} GB/s, read and written")
    cells = measure_lengths(contenders, config["lengths"], config["reset_rates"], sizes)
    ratios = find_ratios(cells, contenders, cores)
    for rate in config["reset_rates"] if config["lengths"] else ():
        print_lengths(cells, contenders, rate, config["lengths"])
        print_ratios(ratios, rate, config["lengths"])
    acting = measure_acting(cores, config["acting_rows"], sizes) if config["acting_rows"] else []
    if acting:
        print_acting(acting, sizes.batch_size)
    if config["plot"]:
        path = draw(
            Path(config["plot"]), f"forward and backward: {describe(config)}", cells, contenders, cores
        )
        say(f"drawn: {path}", file=sys.stderr)
    found = {"config": config, "copy_bandwidth": bandwidth, "ratios": ratios}
    return found | make_document(cells, acting, cores)


def describe(config: dict[str, Any]) -> str:
    """Say in a line what was measured."""
    device = versions(config["device"])["device"]
    return (
        f"{config['batch_size']} environments, {config['dtype']}, on {device}, "
        f"threads={config['threads']}, hidden size {config['hidden_size'] or 'of each file'}"
    )


def complete(config: dict[str, Any]) -> dict[str, Any]:
    """Fill in the defaults that depend on other options.

    Raises:
        UsageError: if a plot cannot be drawn.
    """
    filled = dict(config)
    if config["cores"] == "all":
        filled["cores"] = core_names()
    if config["lengths"] is None:
        filled["lengths"] = CUDA_LENGTHS if config["device"].startswith("cuda") else CPU_LENGTHS
    for key in ("lengths", "reset_rates", "acting_rows"):
        filled[key] = sorted(set(filled[key]))
    if config["budget_gib"] is None:
        filled["budget_gib"] = round(free_memory(torch.device(config["device"])) / 2**31, 1)
    if config["plot"]:
        check_writable_file("plot", Path(config["plot"]))
    if config["plot"] and not filled["lengths"]:
        raise UsageError(
            "A plot shows times over lengths, but got lengths=[]; set lengths=[32,128] or plot=null."
        )
    if config["plot"] and Path(config["plot"]).suffix != ".png":
        raise UsageError(f"plot must end in .png, but got {config['plot']!r}; set plot=cores.png.")
    return filled


def make_cores(config: dict[str, Any]) -> dict[str, MemoryCore]:
    """Build the cores asked for, by name."""
    cores = {}
    for name in config["cores"]:
        maker = core_maker(name, config["hidden_size"], config["allow"])
        torch.manual_seed(config["seed"])
        core = maker(input_size=config["input_size"])
        if not isinstance(core, MemoryCore):
            raise UsageError(f"A core must be a MemoryCore, but {name} is a {type(core).__name__}.")
        cores[name] = core.to(config["device"])
    return cores


def make_contenders(
    cores: dict[str, MemoryCore], config: dict[str, Any]
) -> tuple[list[Contender | Floor], list[str]]:
    """Line up the cores, their floors and their peers.

    Returns:
        The contenders, and a sentence for each peer that is left out.
    """
    ours = [make_contender(name, core) for name, core in cores.items()]
    floors = [
        Floor(f"{name}'s scan floor", name, carry_bytes(core))
        for name, core in cores.items()
        if core.card is not None and core.card.family == "scan"
    ]
    if not config["peers"]:
        return [*ours, *floors], []
    device, hidden_size = torch.device(config["device"]), config["hidden_size"] or 256
    peers, notes = make_peers(config["input_size"], hidden_size, device)
    wanted = [
        peer
        for peer in peers
        if peer.name == REFERENCE or any(is_peer(peer, name, core) for name, core in cores.items())
    ]
    return [*ours, *floors, *wanted], notes
