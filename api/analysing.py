"""Analysing a run's agent by words: what `engram analyse` and `Run.analyse` share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from engram.agents.base import Agent
from engram.agents.stored.loading import load
from engram.api.playable import build_for
from engram.api.recalling import Recall
from engram.command_line.config import compose_config
from engram.command_line.options import AnalyseOptions
from engram.common.checked import check_options
from engram.common.errors import UsageError
from engram.common.nested import merged
from engram.envs.given import GivenEnv
from engram.instruments.attention_finding import find_attention
from engram.instruments.finding import Finding
from engram.instruments.hidden_rows import play_hidden
from engram.instruments.played import Played, play_rows
from engram.instruments.probes import memory_features
from engram.instruments.probes_finding import find_probes
from engram.instruments.report import PAGE, VALUES, write_findings
from engram.instruments.saliency_finding import find_saliency
from engram.run_files.find_run import newest_run
from engram.run_files.outputs import check_writable
from engram.run_files.run_folder import read_config
from engram.training.building import check_device, describe_given
from engram.training.faults import usage_errors
from engram.training.threads import torch_threads

Tell = Callable[[str], None]


@dataclass(frozen=True)
class _Subject:
    """What is analysed, and how.

    Attributes:
        agent: the policy.
        config: of its run, on the device of the analysis, with the environment to be played in.
        options: of the analysis.
        given: makes the environments, where they were given as an object or a function.
        trained_env: the environment's configuration in training.
    """

    agent: Agent
    config: dict[str, Any]
    options: dict[str, Any]
    given: GivenEnv | None
    trained_env: dict[str, Any]

    @cached_property
    def played(self) -> Played:
        """Rows that the agent plays, once for all instruments that look at single rows."""
        options = self.options
        env = build_for(self.agent, self.config, options["num_envs"], self.given)
        try:
            return play_rows(self.agent, env, options["num_rows"], options["seed"], options["deterministic"])
        except FloatingPointError as error:
            raise UsageError(str(error)) from error
        finally:
            env.close()


def analyse_run(
    words: Sequence[str], given: GivenEnv | None = None, tell: Tell = lambda line: None
) -> dict[str, Any]:
    """Look at a run's agent with instruments, and store what they find.

    Args:
        words: `key=value`, as of `engram analyse`.
        given: makes the environments, in the place of the run's or as they were given to it.
        tell: is given what a person wants to know, line by line.

    Returns:
        What is stored as JSON.

    Raises:
        UsageError: for what the user can mend.
    """
    with usage_errors():
        # Which arguments an environment takes is its own affair: `env.…` may name any of them.
        words = [f"++{word}" if word.startswith("env.") else word for word in words]
        options = check_options(compose_config("analyse", words).values, AnalyseOptions)
        check_device(options["device"])
        run_dir = newest_run(Path(options["run"]))
        agent = _load(run_dir, options)
        config = {**read_config(run_dir), "device": options["device"], "allow": options["allow"]}
        if given is not None:
            config["env"] = describe_given(given, config["env"])
        trained_env = config["env"]
        config["env"] = merged(trained_env, options["env"])
    output = Path(options["output"]).expanduser() if options["output"] else run_dir / "analysis"
    check_writable("output", output, [PAGE, VALUES])
    with torch_threads(options["threads"]):
        return _analyse(_Subject(agent, config, options, given, trained_env), run_dir, output, tell)


def _load(run_dir: Path, options: Mapping[str, Any]) -> Agent:
    given = (options[name] for name in ("checkpoint", "device", "allow", "trust_edited"))
    return load(run_dir, *given)


def _analyse(subject: _Subject, run_dir: Path, output: Path, tell: Tell) -> dict[str, Any]:
    options, findings = subject.options, []
    for name in options["what"]:
        with usage_errors():
            finding = _INSTRUMENTS[name](subject)
        findings.append(finding)
        tell(f"{finding.title}: {' '.join(finding.sentences)}")
    about = {
        "run": str(run_dir),
        "checkpoint": options["checkpoint"],
        "environments": options["num_envs"],
        "rows": options["num_rows"],
        "deterministic": options["deterministic"],
        "seed": options["seed"],
    }
    output.mkdir(parents=True, exist_ok=True)
    page, *_ = write_findings(output, f"Analysis of {run_dir.parent.name}", about, findings)
    tell(f"page: {page}")
    return {**about, "found": {finding.name: dict(finding.values) for finding in findings}}


def _saliency(subject: _Subject) -> Finding:
    return find_saliency(subject.agent, subject.played, **subject.options["saliency"])


def _attention(subject: _Subject) -> Finding:
    return find_attention(subject.agent, subject.played)


def _probes(subject: _Subject) -> Finding:
    options = subject.options["probes"]
    env = build_for(subject.agent, subject.config, options["num_envs"], subject.given)
    try:
        played, hidden = play_hidden(
            subject.agent,
            env,
            options["num_rows"],
            subject.options["seed"],
            subject.options["deterministic"],
            options["lags"],
        )
    finally:
        env.close()
    features = memory_features(subject.agent, played)
    if options["against"] is not None:
        other = _load(newest_run(Path(options["against"])), subject.options)
        found = memory_features(other, played)
        source = "carry" if "carry" in found else "output"
        features[f"{source} of the other run"] = found[source]
    return find_probes(features, hidden, played.rows["is_first"], options["readouts"], options["of"])


def _recall(subject: _Subject) -> Finding:
    return Recall(subject.agent, subject.config, subject.trained_env, subject.options, subject.given).find()


_INSTRUMENTS: Mapping[str, Callable[[_Subject], Finding]] = {
    "saliency": _saliency,
    "attention": _attention,
    "probes": _probes,
    "recall": _recall,
}
