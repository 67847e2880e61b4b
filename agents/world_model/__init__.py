"""World models on any memory core: DreamerV3 and R2I."""

from engram.agents.world_model.dreamer import Dreamer
from engram.agents.world_model.open_loop import predict_open_loop
from engram.agents.world_model.world_model import WorldModel

__all__ = ["Dreamer", "WorldModel", "predict_open_loop"]
