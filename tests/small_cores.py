"""The cores that have a file, and small ones of them: what every test that goes through all cores shares."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from engram import configs
from engram.agents.stored.build import build
from engram.memory_cores import MemoryCore

FILES = {path.stem: path for path in sorted((Path(configs.__file__).parent / "core").glob("*.yaml"))}
NAMES = list(FILES)

# Sizes by the option's name; stores so small that a few rows fill, wrap and evict.
SMALL = {"memory_size": 4, "projection_size": 3, "mlp_size": 8, "head_size": 3, "blocks": 2, "top_k": 2}
SMALL |= {"key_size": 3, "value_size": 4, "backbone_size": 6, "convolution_size": 3, "num_slots": 2}
SMALL |= {"num_heads": 2, "num_layers": 2, "num_chunks": 3, "chunk_length": 2, "memory_length": 4}
# Those of cores which these do not fit.
SMALL_OF: dict[str, dict[str, Any]] = {
    # Where no head has a query, relu is at its kink, and no difference quotient is a gradient.
    "agalite": {"num_layers": 1, "head_size": 8, "eta": 6},
    "fwp": {"key_size": 8},  # of three channels often none is above zero, where the normalised ones jump
    "gla": {"value_size": 8},  # of a short read that is nearly zero the norm makes rounding visible
}

# Cases of every core. Of what an engine decides, or the form of the carry, the normal suite tries one core of each
# family, and one without memory: the others are marked slow.
FAMILIES = ("gru", "s5", "ret_net", "gtrxl", "mlp")
ONE_OF_EACH_FAMILY = [
    pytest.param(name, marks=() if name in FAMILIES else pytest.mark.slow) for name in NAMES
]


def small_options(name: str) -> dict[str, Any]:
    """The sizes of a small core; widths that no table names are 8."""
    widths = {key: 8 for key, value in OmegaConf.load(FILES[name]).items() if key.endswith("_size") and value}
    return widths | SMALL | SMALL_OF.get(name, {})


def _make(name: str, options: dict[str, Any]) -> Callable[..., MemoryCore]:
    config = OmegaConf.load(FILES[name])
    config.update({key: value for key, value in options.items() if key in config})
    return build(OmegaConf.to_container(config, resolve=True))


def make_small(name: str, **options: Any) -> Callable[..., MemoryCore]:
    """What makes a small core from `input_size`; of the options those count that the core has."""
    return _make(name, small_options(name) | options)


def make_narrow(name: str, size: int, **options: Any) -> Callable[..., MemoryCore]:
    """What makes a core of a width from `input_size`; all else as its file has it, or given."""
    return _make(name, {**dict.fromkeys(("hidden_size", "state_size", "memory_size"), size), **options})
