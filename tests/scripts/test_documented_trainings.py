"""Every training that a page shows runs, with a budget that fits a test."""

import importlib.util
import sys
from pathlib import Path

import pytest
from test_experiments import SMALL, SMALL_WITH_REPLAY

from engram.command_line.config import compose_config

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from test_docs_commands import commands

# The README's are run by tests/test_readme.py, those of the walk by tests/test_docs_walk.py.
ELSEWHERE = ("README.md", "walk.md", "cores.md")
LONG = {
    "experiment=memory_maze_9x9": "a GPU, and minutes for its mazes",
    "sampler=ray": "a cluster; tests/training/test_ray_actors.py has one of its own",
    "allow=[my_package]": "a package of the reader's",
    "logging.mlflow.tracking_uri=http://localhost:5000": "a server",
    "logging.to=[tensorboard,wandb]": "an account",
    "env.id=memory_gym:SearingSpotlights-v0": "a package that pins another Gymnasium",
    "env.backend=package": "the same",
}
TRAININGS = sorted(
    {
        tuple(words)
        for page, command, words in commands()
        if command == "train"
        and page not in ELSEWHERE
        and not LONG.keys() & {*words}
        and not any(
            word.startswith(("config=", "resume=")) for word in words
        )  # a file, a run of the reader's
    }
)


def test_what_is_left_out_is_in_the_pages():
    shown = {word for _, command, words in commands() if command == "train" for word in words}
    assert LONG.keys() <= shown
    assert len(TRAININGS) > 40


@pytest.mark.slow
@pytest.mark.parametrize("words", TRAININGS, ids=" ".join)
def test_a_documented_training_runs(run, words, tmp_path):
    if any("minigrid:" in word for word in words) and importlib.util.find_spec("minigrid") is None:
        pytest.skip("minigrid is not installed")
    agent = compose_config("train", list(words)).choices["agent"]
    has_replay = agent in ("r2i", "dreamerv3", "r2d2", "sac")
    small = SMALL_WITH_REPLAY if has_replay else [*SMALL, "agent.bptt_length=null"]
    taken = {word.split("=")[0] for word in small}
    kept = [word for word in words if word.split("=")[0] not in taken]
    result = run("train", *kept, *small, f"logging.runs_dir={tmp_path}")
    assert result.code == 0, result.err
