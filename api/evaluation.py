"""Evaluating a run's agent by words: what `engram evaluate` and `Run.evaluate` share."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engram.agents.base import Agent
from engram.agents.stored.loading import load
from engram.analysis.pairing import EVALUATION_FILE, episodes_identity, paired_difference, read_against
from engram.analysis.video import VideoWriter
from engram.api.playable import build_for, check_pictures, check_variants
from engram.api.probe import probe_values, with_argument
from engram.api.results import summary, with_error, write_results
from engram.command_line.config import compose_config
from engram.command_line.options import EvaluateOptions
from engram.common.checked import check_options
from engram.common.errors import UsageError
from engram.common.nested import merged
from engram.common.say import say
from engram.envs import EvaluationResult
from engram.envs.evaluation import mean_and_error
from engram.envs.given import GivenEnv
from engram.run_files.find_run import newest_run
from engram.run_files.outputs import check_writable
from engram.run_files.run_folder import read_config
from engram.training.building import check_device, describe_given
from engram.training.episodes import play_episodes, truncation_note
from engram.training.faults import usage_errors
from engram.training.threads import torch_threads

Tell = Callable[[str], None]


VIDEO_FILE = "episode.mp4"


@dataclass(frozen=True)
class _Evaluation:
    """What is evaluated, and how.

    Attributes:
        agent: the policy.
        config: of its run, on the device of the evaluation.
        options: of the evaluation.
        output: folder of the results.
        given: makes the environments, where they were given as an object or a function.
        tell: is given what a person wants to know, line by line.
    """

    agent: Agent
    config: dict[str, Any]
    options: dict[str, Any]
    output: Path
    given: GivenEnv | None
    tell: Tell


def evaluate_run(
    words: Sequence[str], given: GivenEnv | None = None, tell: Tell = lambda line: None
) -> dict[str, Any]:
    """Play episodes with a run's agent, and store the results.

    Args:
        words: `key=value`, as of `engram evaluate`.
        given: makes the environments, in the place of the run's or as they were given to it.
        tell: is given what a person wants to know, line by line.

    Returns:
        What is stored.

    Raises:
        UsageError: for what the user can mend.
    """
    with usage_errors():
        options = _read_options(words)
        check_device(options["device"])
        run_dir = newest_run(Path(options["run"]))
        agent = load(
            run_dir, options["checkpoint"], options["device"], options["allow"], options["trust_edited"]
        )
        config = {**read_config(run_dir), "device": options["device"], "allow": options["allow"]}
        if given is not None:
            config["env"] = describe_given(given, config["env"])
    output = Path(options["output"]) if options["output"] else run_dir / "evaluation"
    check_writable("output", output, _files(options))
    how = _Evaluation(agent, config, options, output, given, tell)
    with torch_threads(options["threads"]):
        return _evaluate(how) if options["probe"]["argument"] is None else _probe(how)


def _read_options(words: Sequence[str]) -> dict[str, Any]:
    """The options of an evaluation, checked."""
    # Which arguments an environment takes is its own affair: `env.…` may name any of them.
    words = [f"++{word}" if word.startswith("env.") else word for word in words]
    options = check_options(compose_config("evaluate", words).values, EvaluateOptions)
    if options["against"] is not None and options["probe"]["argument"] is not None:
        raise UsageError(
            "A probe plays other episodes at every value, so that there is none to compare with, but both "
            "against and probe.argument are given; leave one of them out."
        )
    if options["probe"]["values"] and options["probe"]["argument"] is None:
        raise UsageError(
            "A probe's values belong to an argument, but probe.values is given without probe.argument; name the "
            "argument as well, or leave the values out."
        )
    return options


def _files(options: dict[str, Any]) -> list[str]:
    """Names of the files that are to be written."""
    if (argument := options["probe"]["argument"]) is not None:
        return [f"{_probe_stem(argument)}.json", f"{_probe_stem(argument)}.png"]
    return [EVALUATION_FILE, *([VIDEO_FILE] if options["video"] else [])]


def _probe_stem(argument: str) -> str:
    return "probe_" + re.sub(r"[^\w-]", "_", argument)


def _evaluate(how: _Evaluation) -> dict[str, Any]:
    """Play on the run's environment."""
    options = how.options
    description = merged(how.config["env"], options["env"])
    if options["video"] and "render_mode" in description:
        description["render_mode"] = "rgb_array"
    played = episodes_identity(description, options)
    with usage_errors():
        against = None
        if options["against"] is not None:
            against = read_against(options["against"], played, options["trust_edited"])
    video = how.output / VIDEO_FILE
    if options["video"]:
        with VideoWriter(video, options["frames_per_second"]) as writer:
            name, result = _play(how, description, writer.write)
    else:
        name, result = _play(how, description)
    _tell_result(how.tell, name, result)
    found = {"env": name, **summary(result), "deterministic": options["deterministic"], "played": played}
    if against is not None:
        found["against"] = _compare(result, *against, how.tell)
    found |= {"returns": result.returns, "lengths": result.lengths}
    write_results(how.output / EVALUATION_FILE, found)
    how.tell(f"results: {how.output / EVALUATION_FILE}")
    if options["video"]:
        how.tell(f"video: {video}")
    return found


def _tell_result(tell: Tell, name: str, result: EvaluationResult) -> None:
    count = len(result.returns)
    noun = "episode" if count == 1 else "episodes"
    tell(f"{name}: return {with_error(result.mean, result.standard_error)} over {count} {noun}")
    for metric, values in result.reported.items():
        noun = "episode" if len(values) == 1 else "episodes"
        tell(f"{name}: {metric} {with_error(*mean_and_error(values))} over {len(values)} {noun}")


def _compare(result: EvaluationResult, path: Path, others: list[float], tell: Tell) -> dict[str, Any]:
    """Print and describe how far this agent is ahead in the same episodes."""
    difference, error = paired_difference(result.returns, others)
    tell(f"difference from {path}, in the same episodes: {with_error(difference, error)}")
    return {
        "evaluation": str(path),
        "mean_difference": difference,
        "standard_error": error if len(others) > 1 else None,
    }


def _probe(how: _Evaluation) -> dict[str, Any]:
    """Play on variants of the run's environment, one per value of an argument."""
    argument, given_values = how.options["probe"]["argument"], how.options["probe"]["values"]
    description = merged(how.config["env"], how.options["env"])
    values, trained = probe_values(how.config["env"], description, argument, given_values)
    variants = [with_argument(description, argument, value) for value in values]
    configs = [{**how.config, "env": variant} for variant in variants]
    check_variants(how.agent, argument, values, configs, bool(given_values), how.given)
    points = []
    for value, variant in zip(values, variants, strict=True):
        name, result = _play(how, variant)
        beyond = trained is not None and value > trained
        points.append({"value": value, "beyond_training": beyond, **summary(result)})
        mark = "  (beyond training)" if beyond else ""
        others = [f", {key} {with_error(*mean_and_error(of))}" for key, of in result.reported.items()]
        said = f"return {with_error(result.mean, result.standard_error)}{''.join(others)}"
        how.tell(f"{name} {argument}={value}: {said}{mark}")
    path = how.output / f"{_probe_stem(argument)}.json"
    found = {"argument": argument, "trained": trained, "points": points}
    write_results(path, found)
    how.tell(f"results: {path}")
    from engram.analysis.run_figures import draw_probe  # Matplotlib takes a second to import.

    how.tell(f"picture: {draw_probe(path.with_suffix('.png'), argument, trained, points)}")
    return found


def _play(
    how: _Evaluation,
    description: dict[str, Any],
    on_frame: Callable[[np.ndarray], None] | None = None,
) -> tuple[str, EvaluationResult]:
    """Play the episodes asked for; returns the environment's name and the episodes."""
    options = how.options
    env = build_for(how.agent, {**how.config, "env": description}, options["num_envs"], how.given)
    try:
        if on_frame is not None:
            check_pictures(env)
        limit = options["max_episode_steps"]
        try:
            result = play_episodes(
                how.agent,
                env,
                options["episodes"],
                options["deterministic"],
                options["seed"],
                on_frame=on_frame,
                max_episode_steps=limit,
            )
        except FloatingPointError as error:
            raise UsageError(str(error)) from error
        if result.num_truncated:
            say(truncation_note(result, "max_episode_steps", limit), file=sys.stderr)
        return env.name, result
    finally:
        env.close()
