"""What an agent in a Memory Maze sees, for many mazes at once, and pictures of it for people."""

from engram.envs.memory_maze.rendering.engine import render_frames
from engram.envs.memory_maze.rendering.reference import render, segment
from engram.envs.memory_maze.rendering.textures import load_textures
from engram.envs.memory_maze.rendering.top_view import draw_top_view, side_by_side

__all__ = ["draw_top_view", "load_textures", "render", "render_frames", "segment", "side_by_side"]
