"""`engram.train`: train an agent from Python as `engram train` does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engram.api.calling import called_from_python
from engram.api.choices import read_choices
from engram.api.run import Run
from engram.api.training_run import train_run
from engram.command_line.resuming import UNFINISHED, allowed_packages
from engram.training.callbacks import Callback
from engram.training.faults import usage_errors
from engram.training.stop_request import StopRequest

Choice = str | Mapping[str, Any] | Callable[..., Any]


def train(
    core: Choice | None = None,
    env: Any = None,
    agent: Choice | None = None,
    total_env_steps: int | None = None,
    *,
    experiment: str | None = None,
    resume: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
    **options: Any,
) -> Run:
    """Train an agent, with the options, defaults, folder and code of `engram train`.

    Example::

        run = engram.train(core="gru", env="popgym/repeat_previous_easy", total_env_steps=400_000)
        run = engram.train(core={"name": "s5", "hidden_size": 64}, evaluation={"interval": 50_000}, seed=1)
        run = engram.train(env=lambda: gymnasium.make("CartPole-v1"), core="gru")
        run = engram.train(resume=run, total_env_steps=800_000)

    Args:
        core: the memory: a name, a mapping with a `name` and options of it, or a class or `functools.partial` of one.
            Default: `s5`, or the experiment's.
        env: the environment, likewise; or an id of Gymnasium's; or an object or function, see `engram.envs.given`, of
            which a run stores the name alone: give it again to resume. Default: `popgym/repeat_previous_easy`, or the
            experiment's.
        agent: the learner, as the core. Default: `ppo`, or the experiment's.
        total_env_steps: budget in real transitions. Default: 1,000,000, or the experiment's.
        experiment: a set of options, of `configs/experiment`.
        resume: a run, or its folder: it goes on exactly where its last checkpoint stands.
        callbacks: objects of classes derived from `engram.Callback`, told of every moment of the run.
        **options: any option of the command: `seed=1`, nested (`evaluation={"interval": 10_000}`) or by its dotted
            name (`**{"core.hidden_size": 64}`); `engram train --help all` lists them.

    Returns:
        The run, at its end or where a callback has stopped it.

    Raises:
        RunError: a ValueError, for a wrong option, in the words of the command.
        KeyboardInterrupt: once the run is saved, if the main thread was interrupted; `resume` continues it.
    """
    named = {"core": core, "env": env, "agent": agent}
    named |= {"experiment": experiment, "total_env_steps": total_env_steps}
    given = {name: value for name, value in named.items() if value is not None} | options
    asked = None if resume is None else os.fspath(resume)
    stop = StopRequest(
        "stopping: this iteration is finished and saved first; a second signal ends at once",
        ends_process=False,
    )
    with called_from_python():
        with usage_errors():
            chosen = read_choices(given, is_resumed=asked not in (None, UNFINISHED))
        words = chosen.words if asked is None else [f"resume={asked}", *chosen.words]
        outcome = train_run(words, stop, _how_to_go_on, callbacks, chosen.given)
    stop.pass_on()
    return Run(outcome.run_dir, env=chosen.given, allow=allowed_packages(words))


def _how_to_go_on(run_dir: Path) -> str:
    return f"engram.train(resume={str(run_dir)!r})"
