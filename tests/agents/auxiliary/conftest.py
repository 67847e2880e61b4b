"""Rows of any space are made as for world models, agents as for their own tests."""

import sys
from pathlib import Path

AGENTS = Path(__file__).parents[1]
sys.path[:0] = [str(AGENTS), str(AGENTS / "world_model")]
