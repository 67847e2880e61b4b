"""Memory cores: sequence models with an explicit carry, behind one contract."""

from engram.memory_cores.base import MemoryCore
from engram.memory_cores.cache_core import CacheCore
from engram.memory_cores.card import CoreCard
from engram.memory_cores.cores.aaren import Aaren
from engram.memory_cores.cores.agalite import AGaLiTe
from engram.memory_cores.cores.block_gru import BlockGRU
from engram.memory_cores.cores.cfc import CfC
from engram.memory_cores.cores.delta_net import DeltaNet
from engram.memory_cores.cores.dnc import DNC
from engram.memory_cores.cores.elman import Elman
from engram.memory_cores.cores.ffm import FFM
from engram.memory_cores.cores.frame_stack import FrameStack
from engram.memory_cores.cores.fwp import FWP
from engram.memory_cores.cores.gated_delta_net import GatedDeltaNet
from engram.memory_cores.cores.gla import GLA
from engram.memory_cores.cores.gru import GRU
from engram.memory_cores.cores.gsa import GSA
from engram.memory_cores.cores.gtrxl import GTrXL
from engram.memory_cores.cores.hcam import HCAM
from engram.memory_cores.cores.hgrn2 import HGRN2
from engram.memory_cores.cores.ind_rnn import IndRNN
from engram.memory_cores.cores.lem import LEM
from engram.memory_cores.cores.linear_attention import LinearAttention
from engram.memory_cores.cores.lmu import LMU
from engram.memory_cores.cores.lru import LRU
from engram.memory_cores.cores.lstm import LSTM
from engram.memory_cores.cores.mamba2 import Mamba2
from engram.memory_cores.cores.minimal_rnns import MinGRU, MinLSTM
from engram.memory_cores.cores.mlp import MLP
from engram.memory_cores.cores.mlstm import MLSTM
from engram.memory_cores.cores.pos_mlp import PosMLP
from engram.memory_cores.cores.ret_net import RetNet
from engram.memory_cores.cores.rg_lru import RGLRU
from engram.memory_cores.cores.rmc import RMC
from engram.memory_cores.cores.s4d import S4D
from engram.memory_cores.cores.s5 import S5
from engram.memory_cores.cores.shm import SHM
from engram.memory_cores.cores.slstm import SLSTM
from engram.memory_cores.cores.stack import Stack
from engram.memory_cores.cores.tcn import TCN
from engram.memory_cores.cores.transformer_xl import TransformerXL
from engram.memory_cores.cores.xlstm import XLSTM
from engram.memory_cores.layered_core import Layer, LayeredCore
from engram.memory_cores.loop_core import LoopCore, LoopLayer
from engram.memory_cores.matrix_core import MatrixCore
from engram.memory_cores.resets import Resets
from engram.memory_cores.scan_core import ScanCore

__all__ = [
    "DNC",
    "FFM",
    "FWP",
    "GLA",
    "GRU",
    "GSA",
    "HCAM",
    "HGRN2",
    "LEM",
    "LMU",
    "LRU",
    "LSTM",
    "MLP",
    "MLSTM",
    "RGLRU",
    "RMC",
    "S4D",
    "S5",
    "SHM",
    "SLSTM",
    "TCN",
    "XLSTM",
    "AGaLiTe",
    "Aaren",
    "BlockGRU",
    "CacheCore",
    "CfC",
    "CoreCard",
    "DeltaNet",
    "Elman",
    "FrameStack",
    "GTrXL",
    "GatedDeltaNet",
    "IndRNN",
    "Layer",
    "LayeredCore",
    "LinearAttention",
    "LoopCore",
    "LoopLayer",
    "Mamba2",
    "MatrixCore",
    "MemoryCore",
    "MinGRU",
    "MinLSTM",
    "PosMLP",
    "Resets",
    "RetNet",
    "ScanCore",
    "Stack",
    "TransformerXL",
]
