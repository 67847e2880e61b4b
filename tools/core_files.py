"""The core configurations, `configs/core/*.yaml`, read and built one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from engram.agents.stored.build import build
from engram.command_line.config import CONFIG_DIR, to_plain
from engram.common.errors import UsageError
from engram.memory_cores import CoreCard, MemoryCore


def core_names() -> list[str]:
    """List the cores that have a file, by name."""
    return sorted(path.stem for path in (CONFIG_DIR / "core").glob("*.yaml"))


def core_summary(name: str) -> str:
    """Return what the first line of a core's file says of it."""
    first = (CONFIG_DIR / "core" / f"{name}.yaml").read_text().splitlines()[0]
    return first.lstrip("# ").strip()


def core_families() -> dict[str, list[str]]:
    """List the names of the cores that have a file by the family that their card names."""
    families: dict[str, list[str]] = {}
    for name in core_names():
        card: CoreCard | None = core_maker(name).func.card  # type: ignore[attr-defined]
        families.setdefault("other" if card is None else card.family, []).append(name)
    return families


def core_maker(
    name: str, hidden_size: int | None = None, allow: Sequence[str] = ()
) -> Callable[..., MemoryCore]:
    """Read a core's file.

    Args:
        name: of the file, or the `package.Class` of a core that has none.
        hidden_size: in place of the file's, where it has one. Default: the file's.
        allow: further packages whose classes may be built.

    Returns:
        Makes the core from `input_size`.

    Raises:
        UsageError: if there is no such core.
        ValueError: if it may not be built.
    """
    if "." in name:
        sizes = {} if hidden_size is None else {"hidden_size": hidden_size}
        return build({"_target_": name, "_partial_": True, **sizes}, allow)
    if name not in core_names():
        raise UsageError(
            f"A core must be one of {', '.join(core_names())}, or a package.Class of your own, but got {name!r}; "
            "name one of these."
        )
    return build(read_core(name, hidden_size), allow)


def read_core(name: str, hidden_size: int | None = None) -> dict[str, Any]:
    """Read the file of a core as plain values; `hidden_size` replaces the file's if it has one."""
    try:
        config = OmegaConf.load(CONFIG_DIR / "core" / f"{name}.yaml")
        assert isinstance(config, DictConfig)
        if hidden_size is not None and "hidden_size" in config:
            config["hidden_size"] = hidden_size
        return to_plain(config)
    except OmegaConfBaseException as error:
        raise UsageError(f"A core's file must be readable, but {name}.yaml is not: {error}") from error
