"""The order that a reader expects of names with numbers in them."""

import re

_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


def natural_order(name: str) -> tuple[tuple[str | float, ...], str]:
    """Return what names are sorted by so that their numbers, `1e-4` and `0.5` too, stand by size: 30 before 100.

    Args:
        name: any text.

    Returns:
        Its words and numbers in turn, and the name itself, which tells apart what counts alike.
    """
    parts = _NUMBER.split(name)
    return tuple(float(part) if place % 2 else part for place, part in enumerate(parts)), name
