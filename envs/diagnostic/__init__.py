"""Small memory tasks whose best return is known."""

from envs.diagnostic.recall_first import RecallFirst

__all__ = ["RecallFirst"]
