"""The recipes of docs/architecture.md, done in a copy of the code: they work as they stand, and touch no other file."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "bash" for line in text.strip().split("\n")]
CODE = (
    "__init__.py",
    "agents",
    "analysis",
    "api",
    "command_line",
    "common",
    "configs",
    "envs",
    "memory_cores",
    "run_files",
    "scripts",
    "training",
)
TINY = (
    "threads=1 num_envs=4 total_env_steps=600 evaluation.interval=600 evaluation.episodes=4 evaluation.num_envs=2 "
    "logging.progress=false logging.curve=false logging.to=[]"
).split()
TINY_REPLAY = [
    "agent.replay.prefill=200",
    "agent.replay.log_interval=200",
    "agent.batch_size=4",
    "agent.batch_length=16",
]


def files():
    """What the page says to write: text by the file that its first line names."""
    found = {}
    for kind, text in BLOCKS:
        first, _, rest = text.partition("\n")
        name = re.fullmatch(r"# (\S+\.(?:py|yaml))(?:, in `(\w+)`)?", first)
        if kind in ("python", "yaml") and name:
            found[name[1], name[2]] = rest
    return found


FILES = files()
NEW = {name: text for (name, place), text in FILES.items() if place is None and not (ROOT / name).exists()}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the code with everything added; nothing in it but what the page says is another."""
    root = tmp_path_factory.mktemp("copy") / "engram"
    root.mkdir()
    for name in CODE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, root / name)
    for name, text in NEW.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    for line in FILES["envs/table.py", None].strip().split("\n"):
        if line:
            replace_line(root / "envs" / "table.py", line)
    insert_after(root / "agents/world_model/world_model.py", "losses = self.decoder.losses", "losses")
    insert_after(root / "agents/world_model/settings.py", "LOSS_SCALES = {", "LOSS_SCALES")
    return root


def replace_line(path, line):
    """Put a line in the place of the one that says the same with one name fewer."""
    start = line.partition(" ")[0] + " " + line.split(" ")[1]
    lines = path.read_text().split("\n")
    places = [
        number for number, old in enumerate(lines) if old.startswith(start) and old.strip("()")[-5:] in line
    ]
    (place,) = [
        number for number in places if set(re.findall(r"\w+", lines[number])) < set(re.findall(r"\w+", line))
    ]
    lines[place] = line
    path.write_text("\n".join(lines))


def insert_after(path, mark, place):
    """Write a recipe's lines below the line that holds `mark`, indented as it is (or as what it opens)."""
    text = FILES[path.relative_to(path.parents[2]).as_posix(), place]
    lines = path.read_text().split("\n")
    (number,) = [number for number, line in enumerate(lines) if mark in line]
    indent = lines[number + 1][: len(lines[number + 1]) - len(lines[number + 1].lstrip())]
    lines[number + 1 : number + 1] = [f"{indent}{line}" for line in text.rstrip().split("\n")]
    path.write_text("\n".join(lines))


def train(house, folder, start, *words):
    """Train by the page's command that starts so, small; returns the lines of its metrics."""
    (command,) = [line for line in COMMANDS if line.startswith(start)]
    result = run(house, "train", *command.split()[2:], *TINY, f"logging.run_dir={folder}", *words)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def run(house, name, *words):
    environment = os.environ | {"PYTHONPATH": str(house.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"engram.scripts.{name}", *words]
    return subprocess.run(command, env=environment, cwd=house.parent, capture_output=True, text=True)


def test_the_core_trains(house, tmp_path):
    assert set(NEW) == {
        *(
            "memory_cores/cores/leaky.py",
            "configs/core/leaky.yaml",
            "agents/drqn/__init__.py",
            "configs/agent/drqn.yaml",
        ),
        "envs/doors/__init__.py",
    }
    lines = train(
        house,
        tmp_path / "run",
        "engram train core=leaky",
        "agent.rollout_length=16",
        "agent.num_minibatches=2",
    )
    assert "losses/policy" in lines[-1]


@pytest.mark.slow
def test_the_agent_trains_continues_and_names_wrong_options(house, tmp_path):
    folder = tmp_path / "run"
    lines = train(house, folder, "engram train agent=drqn", *TINY_REPLAY)
    assert "losses/q" in lines[-1] and "losses/chosen" in lines[-1]
    continued = run(house, "train", f"resume={folder}", "total_env_steps=900")
    assert continued.returncode == 0, continued.stderr
    assert json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["env_steps"] >= 900
    for word, sentence in (("agent.learning_rat=1", "did you mean"), ("agent.gamma=2", "gamma")):
        wrong = run(house, "train", "agent=drqn", word, *TINY)
        assert wrong.returncode == 2 and sentence in wrong.stderr and "Traceback" not in wrong.stderr


@pytest.mark.slow
def test_the_environments_are_in_the_table_and_report_success(house, tmp_path):
    words = ["agent.rollout_length=16", "agent.num_minibatches=2"]
    lines = train(house, tmp_path / "runs" / "doors", "engram train core=gru env=doors/three", *words)
    assert 0 <= lines[-1]["episode/success_rate"] <= 1 and "eval/success_rate" in lines[-1]
    assert (
        "doors/ten" in run(house, "train", "--help", "all").stdout + run(house, "train", "env=doors/x").stderr
    )
    code = "import gymnasium, engram.envs; print(gymnasium.make('engram/doors-Ten-v0').action_space.n)"
    environment = os.environ | {"PYTHONPATH": str(house.parent)}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert found.stdout.strip() == "10", found.stderr
    (plot,) = [line for line in COMMANDS if line.startswith("engram plot")]
    words = [word.replace("runs=runs", f"runs={tmp_path / 'runs'}") for word in plot.split()[2:]]
    report = run(house, "plot", *words, f"output={tmp_path / 'report'}")
    assert report.returncode == 0, report.stderr


@pytest.mark.slow
def test_the_loss_is_learnt_and_logged(house, tmp_path):
    words = [*TINY_REPLAY, "agent.train_ratio=1"]
    lines = train(house, tmp_path / "run", "engram train agent=r2i size=tiny", *words)
    assert lines[-1]["losses/entropy"] < 0


def test_what_each_recipe_takes():
    """The page is short: what is added is this many lines."""
    assert {name: len([line for line in text.split("\n") if line.strip()]) for name, text in NEW.items()} == {
        "memory_cores/cores/leaky.py": 25,
        "configs/core/leaky.yaml": 4,
        "agents/drqn/__init__.py": 61,
        "configs/agent/drqn.yaml": 11,
        "envs/doors/__init__.py": 38,
    }
