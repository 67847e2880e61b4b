"""How the agent's body moves: a driven ball that steers, with the friction of floor and walls."""

from engram.envs.memory_maze.motion.body import BODY_SIZE, HEADING, TOUCH_DISTANCE, bodies_at
from engram.envs.memory_maze.motion.engine import move
from engram.envs.memory_maze.motion.reference import move_reference

__all__ = ["BODY_SIZE", "HEADING", "TOUCH_DISTANCE", "bodies_at", "move", "move_reference"]
