"""The matrix engine: memories that outer products are written to, by chunks of rows and row by row."""

from engram.memory_cores.matrix.decay import decayed_memory
from engram.memory_cores.matrix.delta import delta_memory
from engram.memory_cores.matrix.reference import decayed_row, delta_row, stabilised_row
from engram.memory_cores.matrix.stabilised import stabilised_memory

__all__ = [
    "decayed_memory",
    "decayed_row",
    "delta_memory",
    "delta_row",
    "stabilised_memory",
    "stabilised_row",
]
