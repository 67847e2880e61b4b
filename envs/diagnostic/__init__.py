"""Small memory tasks whose best return is known."""

from engram.envs.diagnostic.copy_sequence import CopySequence
from engram.envs.diagnostic.discounting_chain import DiscountingChain
from engram.envs.diagnostic.memory_chain import MemoryChain
from engram.envs.diagnostic.recall_first import RecallFirst
from engram.envs.diagnostic.t_maze import TMaze

__all__ = ["CopySequence", "DiscountingChain", "MemoryChain", "RecallFirst", "TMaze"]
