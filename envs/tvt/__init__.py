"""The tasks of Temporal Value Transport (Hung et al. 2019), as Ni et al. (2023) play them."""

from engram.envs.task import Task
from engram.envs.tvt.key_to_door import KeyToDoor
from engram.envs.tvt.visual_match import VisualMatch

TASKS = (
    Task("tvt/key_to_door", KeyToDoor, ids=("engram/KeyToDoor-v0",)),
    Task("tvt/visual_match", VisualMatch, ids=("engram/VisualMatch-v0",)),
)

__all__ = ["TASKS", "KeyToDoor", "VisualMatch"]
