"""The walk of docs/walk.md, as it stands but for smaller budgets: every command and every line of Python."""

import re
import shlex
import subprocess
import sys

import pytest
from docs_pages import ROOT, blocks

COMMANDS = [
    line for block in blocks("docs/walk.md", "bash") for line in block.replace("\\\n", " ").splitlines()
]
TRAIN = (
    "num_envs=8 total_env_steps=600 agent.rollout_length=16 agent.num_minibatches=2 agent.num_epochs=1 "
    "evaluation.interval=300 evaluation.episodes=4 evaluation.num_envs=2 threads=1"
).split()
SMALL = {
    "train": TRAIN,
    "evaluate": ["episodes=4", "num_envs=2"],
    "analyse": ["num_envs=4", "num_rows=208"],
    "plot": ["resamples=100"],
    "push": ["episodes=4"],
    "pull": [],
}


def small(line):
    """A command of the page as words, its budget replaced by one that fits a test."""
    _, name, *words = shlex.split(line)
    taken = {word.split("=")[0] for word in SMALL[name]}
    return [
        f"engram.scripts.{name}",
        *(word for word in words if word.split("=")[0] not in taken),
        *SMALL[name],
    ]


def test_the_page_says_no_other_command():
    others = [line for line in COMMANDS if not line.startswith("engram ")]
    assert others == ["make train", "source .venv/bin/activate"]
    assert {line.split()[1] for line in COMMANDS if line not in others} == set(SMALL)


@pytest.mark.slow
def test_the_walk(tmp_path):
    environment, deployment = blocks("docs/walk.md")
    (tmp_path / "my_envs.py").write_text(environment)
    (target,) = re.findall(r"^train: setup\n\t\S+engram (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    lines = [f"engram {target}", *(line for line in COMMANDS if line.startswith("engram "))]
    for words in [*(["-m", *small(line)] for line in lines), ["-c", deployment]]:
        result = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True)
        assert result.returncode == 0, (words, result.stderr)
    assert (tmp_path / "comparison" / "index.html").is_file()
    assert (tmp_path / "shared" / "repeat_previous" / "card.json").is_file()
    assert -1 <= float(result.stdout) <= 1
