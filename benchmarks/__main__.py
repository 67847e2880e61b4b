"""`python -m engram.benchmarks <name>`."""

import sys

from engram.scripts.launch import keep_large_blocks

if __name__ == "__main__":
    keep_large_blocks()
    from engram.benchmarks.command import command

    sys.exit(command())
