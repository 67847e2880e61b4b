"""Engram: reinforcement-learning agents that remember."""

from __future__ import annotations

TYPE_CHECKING = (
    False  # as type checkers take it; the module `typing` alone takes longer to import than this one
)
if TYPE_CHECKING:
    from typing import Any

    from engram.api.run import Run as Run
    from engram.api.run import load as load
    from engram.api.run import pull as pull
    from engram.api.train import train as train
    from engram.common.errors import RunError as RunError
    from engram.training.callbacks import Callback as Callback
    from engram.training.callbacks import Trainer as Trainer

__version__ = "0.2.0"
__all__ = ["Callback", "Run", "RunError", "Trainer", "load", "pull", "train"]

# `import engram` alone loads nothing of these.
_PLACES = {
    "Callback": "engram.training.callbacks",
    "Run": "engram.api.run",
    "RunError": "engram.common.errors",
    "Trainer": "engram.training.callbacks",
    "load": "engram.api.run",
    "pull": "engram.api.run",
    "train": "engram.api.train",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
