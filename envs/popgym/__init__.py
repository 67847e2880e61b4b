"""POPGym: its 48 tasks, and its families with free parameters."""

from engram.envs.popgym.tasks import TASKS

__all__ = ["TASKS"]
