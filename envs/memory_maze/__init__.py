"""Memory Maze: the real one through MuJoCo, and a native batched one that agents transfer from."""
