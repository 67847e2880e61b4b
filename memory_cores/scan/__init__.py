"""The scan engine: linear recurrences with resets, whose rows need only elementwise work in turn."""

from engram.memory_cores.scan.engine import linear_scan, linear_scan_reference, scan_engine

__all__ = ["linear_scan", "linear_scan_reference", "scan_engine"]
