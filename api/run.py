"""A run from Python: its folder, its agent, its evaluations and pictures."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engram.agents.base import Agent
from engram.agents.stored.loading import load as load_agent
from engram.api.analysing import analyse_run
from engram.api.calling import called_from_python
from engram.api.comparison import compare_runs
from engram.api.evaluation import evaluate_run
from engram.api.pulling import pull_agent
from engram.api.pushing import push_run
from engram.command_line.as_words import as_words
from engram.command_line.paths import literal_path
from engram.envs.given import GivenEnv, given_env
from engram.run_files.find_run import newest_run
from engram.training.faults import usage_errors


class Run:
    """A training run, by its folder.

    Args:
        path: the run's folder, or one above it: the newest run in it.
        env: what is evaluated in, where the run has none of its own: the object or function that was given to it, or
            another one, as of `engram.envs.given.given_env`.
        allow: packages beside Engram's own whose classes the run may build.

    Attributes:
        path: the run's folder.
    """

    def __init__(self, path: str | os.PathLike[str], env: Any = None, allow: Sequence[str] = ()) -> None:
        self.path, self._env, self._allow = newest_run(Path(path).expanduser()), env, list(allow)

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @functools.cached_property
    def agent(self) -> Agent:
        """The trained agent, as `engram.load` gives it: best at evaluations, or the latest if there was none."""
        return load(self, allow=self._allow)

    def evaluate(self, **options: Any) -> dict[str, Any]:
        """Play episodes with the run's agent, as `engram evaluate` does, and store the results in the run's folder.

        Args:
            **options: of the command, such as `episodes=100`; `engram evaluate --help` lists them. `env` is a mapping
                of other arguments of the run's environment (`env={"delay": 64}`), or another object or function.

        Returns:
            What `evaluation.json` holds: `mean` and `standard_error` of the return, `returns`, `lengths`, `metrics`
            and more; with a probe, its `points`.

        Raises:
            RunError: a ValueError, for a wrong option, in the words of the command.
        """
        with called_from_python():
            return evaluate_run(*self._as_words(options))

    def analyse(self, **options: Any) -> dict[str, Any]:
        """Look into the memory of the run's agent, as `engram analyse` does, and store what is found in the folder.

        Args:
            **options: of the command, such as `what=["saliency"]`; `engram analyse --help` lists them. `env` is as
                of `evaluate`.

        Returns:
            What `analysis.json` holds: `found`, by instrument.

        Raises:
            RunError: a ValueError, for a wrong option, in the words of the command.
        """
        with called_from_python():
            return analyse_run(*self._as_words(options))

    def _as_words(self, options: Mapping[str, Any]) -> tuple[list[str], GivenEnv | None]:
        """Write options of a command on this run as words, and say what makes the environments, if it was given."""
        options = {"allow": self._allow, **options}
        env = options.pop("env", {})
        with usage_errors():
            is_other = not isinstance(env, Mapping) or "make" in env
            given = given_env(env) if is_other else None if self._env is None else given_env(self._env)
            if given is not None and given.is_fixed:
                options.setdefault("num_envs", given.num_envs)
            words = as_words({**options, **({} if is_other else {"env": env})}, chosen=())
        return [f"run={literal_path(str(self.path))}", *words], given

    def plot(self, **options: Any) -> Path:
        """Draw the run's curves and tables, as `engram plot` does.

        Args:
            **options: of the command, such as `metric="success_rate"`; `engram plot --help` lists them. `output`
                is `report` in the run's folder by default.

        Returns:
            The folder of the report.

        Raises:
            RunError: a ValueError, for a wrong option, in the words of the command.
        """
        given = {"output": self.path / "report", **options}
        with called_from_python():
            return compare_runs([f"runs={literal_path(str(self.path))}", *as_words(given, chosen=())]).output

    def push(self, to: str | os.PathLike[str], **options: Any) -> str:
        """Share the run's agent with a card, as `engram push` does.

        Args:
            to: a new folder, or `hf://owner/name` at the Hugging Face hub.
            **options: of the command, such as `episodes=200`; `engram push --help` lists them.

        Returns:
            `to`.

        Raises:
            RunError: a ValueError, for a wrong option, in the words of the command.
        """
        options = {"allow": self._allow, **options}
        with called_from_python(), usage_errors():
            given = None if self._env is None else given_env(self._env)
            if given is not None and given.is_fixed:
                options.setdefault("num_envs", given.num_envs)
            places = [f"run={literal_path(str(self.path))}", f"to={literal_path(os.fspath(to))}"]
            return push_run([*places, *as_words(options, chosen=())], given)


def pull(source: str | os.PathLike[str], to: str | os.PathLike[str] | None = None, **options: Any) -> Run:
    """Take an agent that somebody shares, as `engram pull` does; nothing of it is executed.

    Args:
        source: a folder that `push` wrote, or `hf://owner/name` at the Hugging Face hub.
        to: a new folder. Default: `pulled/<name>`.
        **options: of the command: `revision`, `allow`, `trust_edited`.

    Returns:
        The agent's folder as a run, to be evaluated, loaded and played with.

    Raises:
        RunError: a ValueError, for a wrong option, in the words of the command.
    """
    places = {"from": source} if to is None else {"from": source, "to": to}
    path_words = [f"{name}={literal_path(os.fspath(place))}" for name, place in places.items()]
    with called_from_python():
        folder = pull_agent([*path_words, *as_words(options, chosen=())])
    return Run(folder, allow=options.get("allow", ()))


def load(run: str | os.PathLike[str], checkpoint: str = "best", **options: Any) -> Agent:
    """Load a trained agent.

    Args:
        run: a `Run`, a run's folder, or one above it: the newest run in it.
        checkpoint: `best` (of the evaluations; the latest if there was none), `latest`, or `step-…`.
        **options: further arguments of `engram.agents.load`: `device`, `allow`, `trust_edited`.

    Returns:
        The agent, ready to `act`; errors as of `engram.agents.load`.
    """
    return load_agent(newest_run(Path(run).expanduser()), checkpoint, **options)
