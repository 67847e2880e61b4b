"""Print all that a stored run can name and have built: `python -m scripts.buildable`."""

from __future__ import annotations

from agents.buildable import table


def main() -> None:
    """Print one name per line."""
    print("\n".join(table()))


if __name__ == "__main__":
    main()
