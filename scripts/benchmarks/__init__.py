"""What `python -m engram.scripts.benchmark <name>` runs.

Each module named in `engram.scripts.benchmark.BENCHMARKS` has `Options`, what it takes, and `measure(config)`,
which prints a table and returns what belongs into the JSON file beside the options and versions.
"""
