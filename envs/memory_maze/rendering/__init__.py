"""What an agent in a Memory Maze sees, for many mazes at once, and pictures of it for people."""

from envs.memory_maze.rendering.engine import render_frames
from envs.memory_maze.rendering.reference import render, segment
from envs.memory_maze.rendering.textures import load_textures

__all__ = ["load_textures", "render", "render_frames", "segment"]
