"""The loop engine: gated recurrences with resets, whose rows need a matrix product in turn."""

from engram.memory_cores.loop.engine import gru_loop, gru_row, lstm_loop, lstm_row
from engram.memory_cores.loop.reference import gru_loop_reference, lstm_loop_reference

__all__ = ["gru_loop", "gru_loop_reference", "gru_row", "lstm_loop", "lstm_loop_reference", "lstm_row"]
