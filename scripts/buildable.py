"""Print all that a stored run can name and have built: `engram buildable`."""

from __future__ import annotations

from engram.agents.stored.buildable import table
from engram.common.say import say


def main() -> None:
    """Print one name per line."""
    say(*table())


if __name__ == "__main__":
    main()
