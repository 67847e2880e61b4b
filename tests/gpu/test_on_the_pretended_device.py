"""The tests of a CUDA device on a machine without one: each part in a process that pretends from its beginning."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = {
    "device": ["tests/gpu/test_pretended_device.py"],
    "ppo": ["tests/gpu/test_pretended_ppo.py"],
    "captured": ["tests/gpu/test_pretended_captured.py"],
    "natives": ["tests/gpu/test_pretended_natives.py"],
    "other_agents": [f"tests/gpu/test_pretended_{name}.py" for name in ("on_policy", "sac", "r2d2")],
    "world_models": ["tests/gpu/test_pretended_world_models.py"],
    "launches": ["tests/gpu/test_pretended_launches.py"],
    "commands": ["tests/gpu/test_pretended_commands.py"],
    "agents": ["tests/agents"],
    "cores": ["tests/memory_cores"],
    # Sizes differ in numbers alone, and one step is the CPU's own on both devices.
    "envs": ["tests/envs", "-k", "not Hard and not Medium and not hard and not medium and not one_step"],
}
QUICK = [
    "tests/gpu/test_pretended_device.py",
    "tests/gpu/test_pretended_ppo.py",
    "tests/gpu/test_pretended_captured.py",
    "tests/gpu/test_pretended_launches.py",
    "-k",
    "pretended_device or s5] or radam]",
]
pytestmark = pytest.mark.skipif(os.environ.get("PRETEND_CUDA") == "1", reason="runs the others")


def test_the_device_itself_and_ppo_with_s5():
    run(QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_a_part(part):
    run(PARTS[part])


def run(words):
    """Run tests on the pretended device; skipped, with the reason, where there can be none."""
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-m", "gpu", *words]
    environment = {**os.environ, "PRETEND_CUDA": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    if " passed" not in done.stdout:  # no compiler, or a build of torch with a device of its own
        pytest.skip(done.stdout[-600:])
