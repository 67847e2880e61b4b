"""The `engram` command: `engram train …` is `python -m scripts.train …`."""

from __future__ import annotations

import importlib
import sys

from scripts.launch import keep_large_blocks

COMMANDS = ("train", "evaluate", "sweep", "plot", "benchmark")


def main() -> int:
    """Run the command named by the first word with the words after it."""
    words = sys.argv[1:]
    if not words or words[0] not in COMMANDS:
        print(f"usage: engram {{{','.join(COMMANDS)}}} [--help] [key=value] …", file=sys.stderr)
        return 0 if words[:1] in (["--help"], ["-h"]) else 2
    keep_large_blocks()
    return importlib.import_module(f"scripts.{words[0]}").command(words[1:])


if __name__ == "__main__":
    sys.exit(main())
