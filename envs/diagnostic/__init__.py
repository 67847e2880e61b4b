"""Small memory tasks whose best return is known."""

from envs.diagnostic.copy_sequence import CopySequence
from envs.diagnostic.discounting_chain import DiscountingChain
from envs.diagnostic.memory_chain import MemoryChain
from envs.diagnostic.recall_first import RecallFirst
from envs.diagnostic.t_maze import TMaze

__all__ = ["CopySequence", "DiscountingChain", "MemoryChain", "RecallFirst", "TMaze"]
