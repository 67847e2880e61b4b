"""Print all that a stored run can name and have built: `python -m scripts.buildable`."""

from __future__ import annotations

from agents.buildable import table
from scripts.say import say


def main() -> None:
    """Print one name per line."""
    say(*table())


if __name__ == "__main__":
    main()
