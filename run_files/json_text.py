"""JSON that every reader takes: numbers that are not finite, which JSON does not have, become null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def json_text(value: Any, **arguments: Any) -> str:
    """Write a value as JSON.

    Args:
        value: nested mappings, lists and plain values.
        **arguments: of `json.dumps`.
    """
    return json.dumps(_finite(value), allow_nan=False, **arguments)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value
