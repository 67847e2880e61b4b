"""Memory cores: sequence models with an explicit carry, behind one contract."""

from memory_cores.base import MemoryCore
from memory_cores.block_gru import BlockGRU
from memory_cores.cache_core import CacheCore
from memory_cores.card import CoreCard
from memory_cores.ffm import FFM
from memory_cores.frame_stack import FrameStack
from memory_cores.gru import GRU
from memory_cores.gtrxl import GTrXL
from memory_cores.hcam import HCAM
from memory_cores.loop_core import LoopCore
from memory_cores.lstm import LSTM
from memory_cores.mlp import MLP
from memory_cores.resets import Resets
from memory_cores.s5 import S5
from memory_cores.scan_core import ScanCore
from memory_cores.stack import Stack

__all__ = [
    "FFM",
    "GRU",
    "HCAM",
    "LSTM",
    "MLP",
    "S5",
    "BlockGRU",
    "CacheCore",
    "CoreCard",
    "FrameStack",
    "GTrXL",
    "LoopCore",
    "MemoryCore",
    "Resets",
    "ScanCore",
    "Stack",
]
