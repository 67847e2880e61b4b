"""What docs/deployment.md shows runs, from top to bottom."""

import re
from pathlib import Path

import gymnasium
import pytest
from player_cases import make_small

from engram import agents

PAGE = Path(__file__).resolve().parents[3] / "docs" / "deployment.md"
BLOCKS = [
    block
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    if "onnxruntime" not in block  # test_deployed_files.py
]


def test_the_page_runs(tmp_path, monkeypatch):
    pytest.importorskip(
        "stable_baselines3", reason="stable-baselines3 is not installed: pip install -e '.[benchmark]'"
    )
    env = gymnasium.make("CartPole-v1")
    agent = agents.PPO(env.observation_space, env.action_space, make_small("gru"))
    monkeypatch.setattr(agents, "load", lambda run_dir: agent)
    monkeypatch.chdir(tmp_path)
    names = {"run_dir": tmp_path}
    for block in BLOCKS:
        exec(block, names)
    assert names["action"].shape == (8,) and 8 <= names["mean"] <= 500
