"""Going on without the replay: its files are made anew, and the run says that this is no exact continuation."""

from __future__ import annotations

import sys
from pathlib import Path

from engram.agents.base import Agent
from engram.common.say import say
from engram.run_files.unbegun import clear_replay
from engram.training.drivers import AnyDriver
from engram.training.record import Record


def check_replay(agent: Agent) -> None:
    """Refuse to lose the replay of an agent that has none.

    Raises:
        ValueError: one sentence.
    """
    if not agent.run_state_form():
        raise ValueError(
            "What is lost must be a replay: expected an agent that has one where resume_from=weights, but got "
            f"{type(agent).__name__}, which goes on exactly from its checkpoint; leave resume_from out."
        )


def begin_replay(agent: Agent, driver: AnyDriver, record: Record, run_dir: Path) -> None:
    """Make the replay's files anew, empty; whoever waits and the log are told.

    Args:
        agent: learns; as the run's checkpoint stands, like the rest.
        driver: steps the environments.
        record: of what is logged next.
        run_dir: the run's folder.
    """
    if agent.ranks.is_leader:
        clear_replay(run_dir)
    agent.open_files(run_dir, driver.row, True)
    record.add("replay/begun_anew_at", float(driver.env_steps))
    if agent.ranks.is_leader:
        say(
            f"note: not an exact continuation: the replay of the first {driver.env_steps:,} steps is lost, and nothing "
            "is learnt until it is filled anew",
            file=sys.stderr,
        )
