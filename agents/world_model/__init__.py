"""World models on any memory core: DreamerV3 and R2I."""

from engram.agents.world_model.dreamer import Dreamer
from engram.agents.world_model.world_model import WorldModel

__all__ = ["Dreamer", "WorldModel"]
