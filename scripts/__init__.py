"""Command-line entry points; the only code that sees a config."""

import sys

from engram.scripts.launch import keep_large_blocks

# Under `engram …` this file runs before the heavy imports, which a new start would repeat.
if sys.argv[0] == "-m":
    keep_large_blocks()
