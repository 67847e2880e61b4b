import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
# The small agents, the rows' contract and the scenes that the tests of these folders share with these.
sys.path += [str(TESTS / folder) for folder in ("agents", "agents/world_model", "envs", "envs/memory_maze")]
