"""Pages of the documentation, for the tests that run what they show."""

import functools
import re
from pathlib import Path

import engram

ROOT = Path(__file__).resolve().parents[1]
SMALL = {
    "num_envs": 4,
    "total_env_steps": 300,
    "agent.num_minibatches": 2,
    "agent.num_epochs": 1,
    "agent.rollout_length": 16,
    "evaluation.interval": 100,
    "evaluation.episodes": 4,
    "evaluation.num_envs": 2,
    "logging.progress": False,
    "logging.curve": False,
}
TRAIN = engram.train


def blocks(page, language="python"):
    """The code blocks of a page, by its path in the repository."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)


def small(**options):
    """`engram.train` with a budget that fits a test, whatever the page says of the same."""
    if "resume" in options:
        return TRAIN(**options | {"total_env_steps": 500})
    dropped = ("evaluation", "num_envs", "total_env_steps")
    given = {key: value for key, value in options.items() if key not in dropped}
    budget = SMALL
    if isinstance(agent := options.get("agent"), functools.partial):
        own = {key.partition(".")[2]: value for key, value in SMALL.items() if key.startswith("agent.")}
        budget = {key: value for key, value in SMALL.items() if not key.startswith("agent.")}
        given["agent"] = functools.partial(agent, **own)
    return TRAIN(**given, **{key: value for key, value in budget.items() if key not in given})
