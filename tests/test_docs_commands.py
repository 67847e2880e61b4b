"""What the documentation shows is there: every option of its commands, every page and heading that it links to."""

import re
import shlex
from pathlib import Path

import pytest

from engram.benchmarks.command import make_options
from engram.command_line.axes import split_words
from engram.command_line.config import compose_config
from engram.scripts.tuning.plan import make_search_plan

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
# The recipes' commands name what the recipes add; tests/test_recipes.py runs them.
RECIPES = "architecture.md"
CONFIGS = {
    "train": "train",
    "evaluate": "evaluate",
    "plot": "plot",
    "leaderboard": "leaderboard",
    "analyse": "analyse",
    "push": "push",
    "pull": "pull",
    "exam": "exam",
}


def commands():
    """Every `engram <command> …`, or its module, in a code block, as page, command and words."""
    for page in (page for page in PAGES if page.name != RECIPES):
        for block in re.findall(r"```(?:bash|text)\n(.*?)```", page.read_text(), flags=re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                module = r"python -m engram\.(?:scripts\.|(?=benchmarks ))"
                found = re.match(rf"(?:engram |{module})(\w+) (.*)", line)
                if found:
                    yield page.name, found[1], shlex.split(found[2], comments=True)


@pytest.mark.parametrize(
    ("page", "command", "words"),
    [found for found in commands() if found[1] in (*CONFIGS, "benchmarks", "tune")],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_every_option_exists(page, command, words):
    if command in ("evaluate", "analyse"):
        words = [f"++{word}" if word.startswith("env.") else word for word in words]
    words = [re.sub("[<>]", "", word) for word in words]
    if command == "exam":
        plain, axes = split_words(words)
        words = [f"{key}={value}" for key, value in (plain | {k: v[0] for k, v in axes.items()}).items()]
    if command == "benchmarks":
        make_options(words[0], words[1:])
    elif command == "tune":
        assert make_search_plan(words).space
    else:
        compose_config(CONFIGS[command], words)


def anchors(page):
    """What links to the page's headings may say behind `#`, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target
