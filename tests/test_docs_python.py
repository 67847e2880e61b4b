"""The Python of the documentation's pages runs as it stands, block after block, with budgets that fit a test."""

from functools import partial
from types import SimpleNamespace

import gymnasium
import pytest
import torch
from docs_pages import ROOT, blocks, small
from gymnasium import spaces
from tensordict import TensorDict

import engram
from engram.agents import PPO
from engram.memory_cores import GRU

# Pages that another test runs, and those that show parts of a class.
ELSEWHERE = {
    "README.md": "tests/test_readme.py",
    "docs/architecture.md": "tests/test_recipes.py",
    "docs/clients.md": "tests/clients",
    "docs/comparing.md": "tests/envs/test_reports.py",
    "docs/cores.md": "tests/test_docs_cores.py",
    "docs/deployment.md": "tests/agents/deployment/test_deployment_page.py",
    "docs/gpu.md": "tests/agents/test_captured_update.py",
    "docs/package.md": "tests/test_project_files.py",
    "docs/python.md": "tests/api/test_python_page.py",
    "docs/sharing.md": "tests/api/test_sharing.py",
    "docs/walk.md": "tests/test_docs_walk.py",
    "docs/your_environments.md": "tests/test_docs_environments.py",
}


def own_environment():
    """What the part on loaded agents takes for given."""
    env = gymnasium.make("Pendulum-v1")
    agent = PPO(env.observation_space, env.action_space, partial(GRU, hidden_size=8))
    loading = SimpleNamespace(load=lambda folder: agent)
    return {"agents": loading, "env": env, "torch": torch, "TensorDict": TensorDict}


def two_leaves():
    """The spaces that the part on leaves takes for given."""
    camera = spaces.Box(0, 255, (3, 64, 64), "uint8")
    observation = spaces.Dict(camera=camera, mission=spaces.Box(0, 1, (4,)), speed=spaces.Box(0, 1, (2,)))
    return {"observation_space": observation, "action_space": spaces.Discrete(2)}


PAGES = {
    "docs/analysis.md": dict,
    "docs/coming_from.md": dict,
    "docs/environments.md": own_environment,
    "docs/observations.md": two_leaves,
    "docs/torchrl.md": dict,
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engram, "train", small, raising=False)
    names = PAGES[page]()
    for block in blocks(page):
        code = compile(block, page, "exec")
        exec(code, names)
        names |= PAGES[page]() if page == "docs/environments.md" else {}


def test_every_page_with_python_is_run():
    """Here or by the test that is named."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    with_python = {page.relative_to(ROOT).as_posix() for page in pages if "```python\n" in page.read_text()}
    assert with_python == PAGES.keys() | ELSEWHERE.keys()
    for page, test in ELSEWHERE.items():
        assert (ROOT / test).exists(), (page, test)
