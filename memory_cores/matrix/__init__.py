"""The matrix engine: memories that outer products are written to, of sequences and of single rows."""

from engram.memory_cores.matrix.engine import decayed_memory, delta_memory, stabilised_memory
from engram.memory_cores.matrix.reference import decayed_row, delta_row, stabilised_row

__all__ = [
    "decayed_memory",
    "decayed_row",
    "delta_memory",
    "delta_row",
    "stabilised_memory",
    "stabilised_row",
]
