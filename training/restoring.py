"""What the checkpoint of a training run must hold, and whether its agent can go on from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tensordict import TensorDict
from torch import Tensor

from engram.agents.base import Agent
from engram.common.errors import UsageError
from engram.common.nested import dotted
from engram.common.state_form import Anything, AtLeast, Kind, MapOf, Maybe, StateError, Whole
from engram.run_files.names import CONFIG_FILE
from engram.run_files.progress import Progress
from engram.run_files.run_folder import options_of
from engram.run_files.stored_state import unfit
from engram.training.drivers import AnyDriver
from engram.training.record import Record
from engram.training.user_code import place_in_user_code


def stored_form(agent: Agent, driver: AnyDriver, carry: TensorDict) -> AtLeast:
    """What the checkpoint of a run must look like, see `engram.common.state_form`.

    Args:
        agent: learns.
        driver: steps the environments.
        carry: the agent's initial carry `[num_envs]`.
    """
    parts: dict[str, Any] = {
        "agent": agent.state_form(),
        "driver": driver.state_form(carry),
        "progress": Progress.state_form(),
        "record": Maybe(Record.state_form()),
        "callbacks": Maybe(MapOf(Anything())),
        "name": Maybe(Kind(str)),
        "log": Maybe({"lines": Whole(), "hash": Kind(str)}),
        **agent.run_state_form(),
    }
    return AtLeast(parts)


@contextmanager
def stored_options(run_dir: Path) -> Iterator[None]:
    """Name the file in which an option of a continued run stands that is refused within the block.

    Raises:
        UsageError: in place of one.
        ValueError: in place of one.
    """
    with options_of(run_dir):
        try:
            yield
        except UsageError as error:
            raise UsageError(f"{str(error).rstrip('.')} (in {run_dir / CONFIG_FILE}).") from error


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Name the checkpoint in whose content a fault is found within the block.

    Raises:
        ValueError: in place of a `StateError`.
    """
    try:
        yield
    except StateError as error:
        raise unfit(path, error) from error


def check_acting(agent: Agent, driver: AnyDriver) -> None:
    """Let an agent act once, on the row and with the memory that were stored; nothing is changed by it.

    A memory may have the right shape and still be none that the agent can read.

    Raises:
        StateError: if it cannot, or what comes of it is NaN. A fault of the user's own code stays as it is.
    """
    try:
        outcome = agent.act(driver.row, driver.carry.clone())
    except (IndexError, RuntimeError, ValueError) as error:
        if place_in_user_code(error) is not None:
            raise
        raise StateError(f"driver: the agent cannot act on from it ({error})") from error
    leaves = dotted(dict(enumerate(outcome))).values()
    if any(leaf.isnan().any() for leaf in leaves if isinstance(leaf, Tensor)):
        raise StateError("driver: expected what the agent can act on from, got numbers that lead to NaN")
