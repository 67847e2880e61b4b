"""The JSON file of a benchmark."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engram.benchmarks.options import BenchmarkOptions
from engram.run_files.json_text import json_text
from engram.run_files.plain_files import replace_file
from engram.run_files.versions import versions


def write_document(options: BenchmarkOptions, measured: Mapping[str, Any], load_before: float) -> None:
    """Write what was measured, whole or not at all.

    Args:
        options: of the benchmark; `output` is the file.
        measured: by name; goes over the options, the versions, and the load of the machine before and now.
        load_before: of the machine.
    """
    document = {
        "config": asdict(options),
        "versions": versions(getattr(options, "device", "cpu")),
        "load_average": [load_before, os.getloadavg()[0]],
    }
    replace_file(Path(str(options.output)), json_text(document | dict(measured), indent=1) + "\n")
