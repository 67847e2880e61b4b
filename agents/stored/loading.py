"""Building the agent of a run, and loading a trained one from Python."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from engram.agents.base import Agent
from engram.agents.stored.build import build_maker
from engram.agents.stored.spaces import read_box_action, read_spaces
from engram.common.box_actions import BoxAction
from engram.common.checked import check_value
from engram.common.option_types import Count, Seed
from engram.common.state_form import AtLeast, StateError, check_like
from engram.run_files.checkpoint import load_checkpoint, load_latest
from engram.run_files.current_checkpoint import check_best, check_latest
from engram.run_files.former_names import refuse_former_replay
from engram.run_files.manifest import check_texts
from engram.run_files.names import CONFIG_FILE
from engram.run_files.plain_files import check_plain
from engram.run_files.run_folder import check_name, checkpoint_path, options_of, read_config
from engram.run_files.stored_state import check_stored, unfit


def check_seeds(config: Mapping[str, Any]) -> None:
    """Hold the numbers that every agent is built with against what they must be.

    Raises:
        ValueError: names the option.
    """
    check_value(config["seed"], Seed, "seed")
    check_value(config["schedule_env_steps"], Count, "schedule_env_steps")


def build_agent(
    config: dict[str, Any],
    observation_space: Any,
    action_space: Any,
    device: str | torch.device,
    allow: Sequence[str] = (),
    box_action: BoxAction = "auto",
) -> Agent:
    """Build the agent that a configuration describes, with fresh parameters.

    Args:
        config: plain mapping with `agent`, `core`, `seed` and `schedule_env_steps`, and `env` where it has one.
        observation_space: single Gymnasium space.
        action_space: single Gymnasium space.
        device: where the parameters go.
        allow: further packages whose classes may be built.
        box_action: how its environment brings Box actions between the bounds.
    """
    given = {
        "observation_space": observation_space,
        "action_space": action_space,
        "make_core": build_maker(config["core"], "core", ["input_size"], allow),
        "total_env_steps": config["schedule_env_steps"],
        "seed": config["seed"],
        "device": device,
    }
    agent: Agent = build_maker(config["agent"], "agent", list(given), allow)(**given)
    agent.box_action, agent.env_description = box_action, config.get("env", {})
    return agent


def load(
    run_dir: str | Path,
    checkpoint: str = "best",
    device: str | torch.device = "cpu",
    allow: Sequence[str] = (),
    trust_edited: bool = False,
) -> Agent:
    """Load a trained agent; no environment and no command line needed.

    Example::

        player = agents.load("runs/…").player()
        action = player.act(observation, deterministic=True)
        observation, *_ = env.step(action)  # a Gymnasium environment

    Args:
        run_dir: a run's folder.
        checkpoint: `best` (of the evaluations; the latest if there was none), `latest`, or `step-…`.
        device: where the parameters go.
        allow: packages beside Engram's own whose classes the run may build.
        trust_edited: take files that were edited since the run wrote them, with a warning that names them.

    Returns:
        The agent, ready to `act` on rows; its `player` takes observations as environments give them.

    Raises:
        FileNotFoundError: if the folder or the checkpoint is missing.
        EditedFileError: a ValueError, if a file was edited or damaged.
        ValueError: if the stored configuration names a class that is not allowed, or a file is a link.
    """
    run_dir = Path(run_dir).expanduser()
    check_plain(run_dir)
    if (run_dir / CONFIG_FILE).is_file():
        check_texts(run_dir, trust_edited)
    config = read_config(run_dir)
    refuse_former_replay(run_dir, config)
    observation_space, action_space = read_spaces(run_dir)
    box_action = read_box_action(run_dir, config)
    with options_of(run_dir):
        check_seeds(config)
        agent = build_agent(config, observation_space, action_space, device, allow, box_action)
    best, latest = (checkpoint_path(run_dir, name) for name in ("best", "latest"))
    is_best = checkpoint == "best"
    if is_best and not best.exists():
        checkpoint = "latest"
    path = checkpoint_path(run_dir, checkpoint)
    if checkpoint != "latest" and not path.exists():
        raise FileNotFoundError(_no_checkpoint(run_dir, checkpoint))
    form = AtLeast({"agent": agent.state_form()})

    def check(state: dict[str, Any], path: Path) -> None:
        check_name(state, checkpoint, path, trust_edited)
        check_stored(state, path, form, config, trust_edited)
        if is_best:
            check_best(state, path, best, latest, trust_edited)
        if path == latest:
            check_latest(state, path, run_dir, trust_edited)

    read = load_latest if checkpoint == "latest" else load_checkpoint
    restore_agent(agent, read(path, device, check=check), path)
    return agent


def _no_checkpoint(run_dir: Path, name: str) -> str:
    """Say which checkpoints a run has."""
    found = sorted(path.stem for path in checkpoint_path(run_dir, "*").parent.glob("*.safetensors"))
    names = [one for one in found if "." not in one]
    if not names:
        return f"An agent is loaded from a checkpoint, but {run_dir} has none; train it first."
    nearest = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else "name one of these."
    return f"checkpoint must be one of those of {run_dir}, {', '.join(names)}, but got {name!r}; {hint}"


def restore_agent(agent: Agent, state: dict[str, Any], path: Path) -> None:
    """Put a checkpoint's state into an agent.

    Raises:
        ValueError: if the checkpoint belongs to an agent of another shape; names the file and the place in it.
    """
    try:
        check_like({"agent": agent.state_form()}, {"agent": state["agent"]})
        agent.load_state_dict(state["agent"])
    except (RuntimeError, KeyError, StateError) as error:
        raise unfit(path, error) from error
