"""POPGym: its tasks by short names."""

from envs.popgym.registry import make_popgym, popgym_families, popgym_ids, popgym_names, register_families

__all__ = ["make_popgym", "popgym_families", "popgym_ids", "popgym_names", "register_families"]
