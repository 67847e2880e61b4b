"""The example of docs/deployment.md plays from a file, with numpy and onnxruntime alone."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from player_cases import make_small

from engram import agents
from engram.envs.popgym.pendulum import PositionOnlyPendulum

PAGE = Path(__file__).resolve().parents[3] / "docs" / "deployment.md"
(EXAMPLE,) = [
    block
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    if "onnxruntime" in block
]


def test_the_example_is_short_and_imports_nothing_of_ours():
    assert len(EXAMPLE.splitlines()) <= 20
    assert set(re.findall(r"^(?:import|from) (\w+)", EXAMPLE, re.MULTILINE)) == {"numpy", "onnxruntime"}


@pytest.mark.slow
def test_the_example_plays(tmp_path):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="the extra `export` is not installed: pip install -e '.[export]'")
    env = PositionOnlyPendulum(num_envs=1)
    agent = agents.PPO(env.single_observation_space, env.single_action_space, make_small("gru"))
    agent.export(tmp_path / "agent.onnx")
    shape = env.single_observation_space.shape
    functions = (
        f"def observe(): return np.zeros({shape}, np.float32), False\ndef perform(action): print(action)\n"
    )
    code = "import numpy as np\n" + functions
    found = subprocess.run(
        [sys.executable, "-c", code + EXAMPLE.replace("while True:", "for _ in range(5):")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(found.stdout.splitlines()) == 5
