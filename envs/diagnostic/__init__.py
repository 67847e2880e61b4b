"""Small memory tasks whose best return is known."""

from engram.envs.diagnostic.bandit import Bandit
from engram.envs.diagnostic.copy_sequence import CopySequence
from engram.envs.diagnostic.discounting_chain import DiscountingChain
from engram.envs.diagnostic.memory_chain import MemoryChain
from engram.envs.diagnostic.parity import Parity
from engram.envs.diagnostic.permutations import Permutations
from engram.envs.diagnostic.recall_first import RecallFirst
from engram.envs.diagnostic.recall_pairs import RecallPairs
from engram.envs.diagnostic.t_maze import TMaze
from engram.envs.native import NativeVectorEnv
from engram.envs.task import Task

_CLASSES: dict[str, type[NativeVectorEnv]] = {
    "bandit": Bandit,
    "copy_sequence": CopySequence,
    "discounting_chain": DiscountingChain,
    "memory_chain": MemoryChain,
    "parity": Parity,
    "permutations": Permutations,
    "recall_first": RecallFirst,
    "recall_pairs": RecallPairs,
    "t_maze": TMaze,
}
TASKS = tuple(
    Task(
        f"diagnostic/{name}",
        native,
        ids=(f"engram/{native.__name__}-v0",),
        is_scaled=native is not Bandit,  # whose return is a number of pulls
    )
    for name, native in _CLASSES.items()
)

__all__ = [
    "TASKS",
    "Bandit",
    "CopySequence",
    "DiscountingChain",
    "MemoryChain",
    "Parity",
    "Permutations",
    "RecallFirst",
    "RecallPairs",
    "TMaze",
]
