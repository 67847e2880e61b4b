"""Memory cores: sequence models with an explicit carry, behind one contract."""

from memory_cores.base import MemoryCore
from memory_cores.gru import GRU
from memory_cores.lstm import LSTM
from memory_cores.s5 import S5

__all__ = ["GRU", "LSTM", "S5", "MemoryCore"]
