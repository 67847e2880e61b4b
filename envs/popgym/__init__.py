"""POPGym: its tasks by short names, native or from the package."""

from engram.envs.popgym.natives import NATIVES
from engram.envs.popgym.registry import (
    make_popgym,
    native_factories,
    popgym_class,
    popgym_families,
    popgym_ids,
    popgym_names,
    register_families,
    split_name,
)

__all__ = [
    "NATIVES",
    "make_popgym",
    "native_factories",
    "popgym_class",
    "popgym_families",
    "popgym_ids",
    "popgym_names",
    "register_families",
    "split_name",
]
