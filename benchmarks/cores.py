"""Speed and memory of every core over sequence lengths, beside its peers and a floor, all measured in turn."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from engram.benchmarks.core_options import Options, complete
from engram.benchmarks.core_peers import Contender, Floor, make_contender, make_peers
from engram.benchmarks.core_report import (
    REFERENCE,
    draw,
    family_of,
    find_ratios,
    is_peer,
    print_acting,
    print_lengths,
    print_ratios,
)
from engram.benchmarks.core_timing import measure_acting, measure_lengths
from engram.benchmarks.timing import copy_bandwidth
from engram.common.errors import UsageError
from engram.common.say import say
from engram.memory_cores import MemoryCore
from engram.tools.core_files import core_maker
from engram.training.faults import usage_errors


def measure(options: Options) -> dict[str, Any]:
    """Print times and peak memory of every core and its peers, draw them if asked to; returns them."""
    with usage_errors():
        options = complete(options)
        cores = make_cores(options)
        contenders, notes = make_contenders(cores, options)
    if notes:
        say(*notes)
    bandwidth = copy_bandwidth(options.place, torch.float32, 1 << 24)
    say(f"{options.describe()}; memory is copied at {bandwidth / 1e9:.3g} GB/s, read and written")
    cells = measure_lengths(contenders, options)
    ratios = find_ratios(cells, contenders, cores)
    lengths = options.lengths or ()
    for rate in options.reset_rates if lengths else ():
        print_lengths(cells, contenders, rate, lengths)
        print_ratios(ratios, rate, lengths)
    acting = measure_acting(cores, options)
    if acting:
        print_acting(acting, options.batch_size)
    if options.plot:
        title = f"forward and backward: {options.describe()}"
        say(f"drawn: {draw(Path(options.plot), title, cells, contenders, cores)}", file=sys.stderr)
    return {
        "config": asdict(options),
        "copy_bandwidth": bandwidth,
        "ratios": ratios,
        "cores": {name: sizes_of(core) for name, core in cores.items()},
        "cells": [asdict(cell) for cell in cells],
        "acting": [asdict(part) for part in acting],
    }


def sizes_of(core: MemoryCore) -> dict[str, int]:
    """Count a core's parameters, and what it carries per environment: real numbers, and bytes of everything."""
    return {
        "parameters": sum(parameter.numel() for parameter in core.parameters()),
        "carry_size": core.carry_size(),
        "carry_bytes": core.carry_bytes(),
    }


def make_cores(options: Options) -> dict[str, MemoryCore]:
    """Build the cores asked for, by name."""
    cores = {}
    for name in options.cores:
        maker = core_maker(name, options.hidden_size, options.allow)
        torch.manual_seed(options.seed)
        core = maker(input_size=options.input_size)
        if not isinstance(core, MemoryCore):
            raise UsageError(f"A core must be a MemoryCore, but {name} is a {type(core).__name__}.")
        cores[name] = core.to(options.device)
    return cores


def make_contenders(
    cores: dict[str, MemoryCore], options: Options
) -> tuple[list[Contender | Floor], list[str]]:
    """Line up the cores, their floors and their peers.

    Returns:
        The contenders, and a sentence for each peer that is left out.
    """
    ours = [make_contender(name, core) for name, core in cores.items()]
    floors = [
        Floor(f"{name}'s scan floor", name, core.carry_bytes())
        for name, core in cores.items()
        if family_of(core) == "scan"
    ]
    if not options.peers:
        return [*ours, *floors], []
    peers, notes = make_peers(options.input_size, options.hidden_size or 256, options.place)
    wanted = [
        peer
        for peer in peers
        if peer.name == REFERENCE or any(is_peer(peer, name, core) for name, core in cores.items())
    ]
    return [*ours, *floors, *wanted], notes
