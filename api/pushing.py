"""Sharing a run's agent by words: what `engram push` and `Run.push` share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engram.agents.base import Agent
from engram.agents.stored.loading import load
from engram.agents.stored.needed import needed_packages
from engram.agents.stored.saving import save_agent
from engram.api.evaluation import evaluate_run
from engram.api.hub import hub_name, library, upload
from engram.api.shared_files import EVALUATION_FOLDER, PAGE_FILE, check_new, made_whole
from engram.command_line.as_words import as_words
from engram.command_line.config import compose_config
from engram.command_line.options import PushOptions
from engram.command_line.paths import literal_path
from engram.common.checked import check_options
from engram.envs.given import GivenEnv
from engram.run_files.agent_card import AgentCard, read_card, write_card
from engram.run_files.bounded_text import read_mapping
from engram.run_files.card_page import card_page
from engram.run_files.checkpoint import read_values
from engram.run_files.find_run import newest_run
from engram.run_files.names import CARD_FILE, CURVE_FILE, VERSIONS_FILE
from engram.run_files.outputs import check_writable
from engram.run_files.plain_files import replace_file
from engram.run_files.run_folder import checkpoint_path, read_config
from engram.training.building import own_description
from engram.training.faults import usage_errors

Tell = Callable[[str], None]
_EVALUATED = ("episodes", "num_envs", "max_episode_steps", "deterministic", "seed", "threads", "allow")


def push_run(words: Sequence[str], given: GivenEnv | None = None, tell: Tell = lambda line: None) -> str:
    """Evaluate a run's agent, and put it with its card into a folder or at the hub.

    Args:
        words: `key=value`, as of `engram push`.
        given: makes the environments it is evaluated in, where they were given as an object or a function.
        tell: is given what a person wants to know, line by line.

    Returns:
        Where it is: a path, or `hf://owner/name`.

    Raises:
        UsageError: for what the user can mend.
    """
    with usage_errors():
        options = check_options(compose_config("push", words).values, PushOptions)
        place = options["to"]
        repository = hub_name("to", place)
        if repository is not None:
            library()
        else:
            check_new("to", Path(place))
            check_writable("to", Path(place))
        run_dir = newest_run(Path(options["run"]))
        agent = load(
            run_dir, options["checkpoint"], allow=options["allow"], trust_edited=options["trust_edited"]
        )
    if repository is None:
        with made_whole(Path(place)) as folder:
            _write(agent, run_dir, folder, options, given, tell)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "agent"
            _write(agent, run_dir, folder, options, given, tell)
            upload(folder, repository, options["private"])
    tell(f"pushed: {place}")
    return str(place)


def _write(
    agent: Agent,
    run_dir: Path,
    folder: Path,
    options: Mapping[str, Any],
    given: GivenEnv | None,
    tell: Tell,
) -> None:
    """Save the agent, evaluate what was saved, and write its card."""
    with usage_errors():
        save_agent(agent, folder)
    asked = {name: options[name] for name in _EVALUATED}
    paths = {"run": folder, "output": folder / EVALUATION_FOLDER}
    path_words = [f"{name}={literal_path(str(path))}" for name, path in paths.items()]
    found = evaluate_run([*path_words, *as_words(asked, chosen=())], given)
    config = read_config(folder)
    steps, versions = _history(run_dir, options["checkpoint"], options["trust_edited"])
    card = AgentCard(
        task=found["env"],
        core=_class_of(config["core"]),
        agent=_class_of(config["agent"]),
        mean=found["mean"],
        standard_error=found["standard_error"],
        episodes=found["episodes"],
        seed=options["seed"],
        deterministic=options["deterministic"],
        parameters=agent.sizes()["parameters"],
        env_steps=steps,
        licence=options["licence"],
        allow=needed_packages({**config, "env": own_description(config["env"])}),
        versions=versions,
    )
    tell(f"{card.task}: {card.score_text()}")
    has_curve = (run_dir / CURVE_FILE).is_file()
    if has_curve:
        shutil.copyfile(run_dir / CURVE_FILE, folder / CURVE_FILE)
    write_card(folder, card)
    place = str(options["to"])
    described = {key: config[key] for key in ("agent", "core", "env", "seed")}
    is_own = (
        Path(place).is_absolute() or ".." in Path(place).parts
    )  # says nothing to others, and where it lies
    source = Path(place).name if is_own and hub_name("to", place) is None else place
    page = card_page(card, described, source, place.rstrip("/").rpartition("/")[2], has_curve)
    replace_file(folder / PAGE_FILE, page)


def _history(run_dir: Path, checkpoint: str, trust_edited: bool) -> tuple[int | None, dict[str, str]]:
    """The environment steps that an agent was trained for, if its folder says so, and the versions it was made with."""
    if (run_dir / CARD_FILE).is_file():  # shared before
        card = read_card(run_dir, trust_edited)
        return card.env_steps, card.versions
    path = checkpoint_path(run_dir, checkpoint)
    path = path if path.exists() else checkpoint_path(run_dir, "latest")
    steps = read_values(path)["driver"]["env_steps"] if path.exists() else 0
    file = run_dir / VERSIONS_FILE
    versions = read_mapping(file) if file.is_file() else {}
    return steps or None, {str(name): str(version) for name, version in versions.items()}


def _class_of(description: Mapping[str, Any]) -> str:
    return str(description["_target_"]).rpartition(".")[2]
