"""What a continued run keeps of its configuration, and what it may be given anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from engram.command_line.paths import expand_paths, quote_paths
from engram.command_line.words import parse_value, write_value
from engram.common.errors import UsageError
from engram.common.ids import foreign_package, malformed
from engram.common.shell import command_line, shell_word
from engram.run_files.fixed_config import LEARNING, MACHINE
from engram.run_files.former_names import refuse_former_replay
from engram.run_files.manifest import replace_texts
from engram.run_files.names import CONFIG_FILE
from engram.run_files.run_folder import read_config, stored_config

# In place of a run's folder: the newest run of the same configuration, if it is not at its end.
UNFINISHED = "unfinished"
SERVER = "logging.mlflow.tracking_uri"


def resumed_run(words: Sequence[str]) -> str | None:
    """Find what `resume=` asks for among the command's words: a run's folder, or `UNFINISHED`."""
    for word in words:
        key, value = _split(word)
        if key == "resume" and value not in ("", "null"):
            return value
    return None


def is_resumable(word: str) -> bool:
    """Whether a `key=value` word may be given to a continued run."""
    key, _ = _split(word)
    return key in (*LEARNING, *MACHINE) or key.split(".")[0] in MACHINE


def resume_command(run_dir: Path, words: Sequence[str]) -> str:
    """The command that continues a run, for a shell.

    Args:
        run_dir: the run's folder.
        words: of the command that began or continued it; the packages it allows must be given again.
    """
    return command_line("train", [f"resume={run_dir}", *allow_words(words)])


def is_trusted(words: Sequence[str]) -> bool:
    """Whether the last `trust_edited=` among a command's words says true."""
    given = [value for key, value in map(_split, words) if key == "trust_edited"]
    return bool(given) and parse_value(given[-1]) is True


def allow_words(words: Sequence[str]) -> list[str]:
    """The words that allow a continued run what the command that begins it does: packages, and where its metrics go."""
    packages = allowed_packages(words)
    servers = [f"{SERVER}={text}" for key, text in map(_split, words) if key == SERVER]
    return [*([f"allow={write_value(packages)}"] if packages else []), *servers[-1:]]


def allowed_packages(words: Sequence[str]) -> list[str]:
    """The packages that a command allows: those that `allow=` names, and that of an environment named by its id."""
    packages: dict[str, None] = {}
    for word in words:
        key, text = _split(word)
        if key not in ("allow", "env.id"):
            continue
        value = parse_value(text)
        if key == "allow":
            packages |= dict.fromkeys(value or ())
        elif not malformed(value) and (package := foreign_package(value)) is not None:
            packages[package] = None
    return list(packages)


def check_server(config: Mapping[str, Any], words: Sequence[str]) -> None:
    """Refuse to send metrics to a server that a continued run's folder alone names: it may be somebody else's.

    Args:
        config: of the continued run.
        words: of the command.

    Raises:
        UsageError: names it.
    """
    uri = config["logging"]["mlflow"]["tracking_uri"]
    is_given = any(_split(word)[0] == SERVER for word in words)
    if "mlflow" in config["logging"]["to"] and uri is not None and not is_given:
        raise UsageError(
            f"A continued run sends its metrics to a place that the command names, but only its {CONFIG_FILE} names "
            f"{uri}; give {shell_word(f'{SERVER}={uri}')} as well, or logging.to=[] to leave MLflow out."
        )


def resumed_config(run_dir: Path, words: Sequence[str]) -> dict[str, Any]:
    """Read a run's stored configuration; it rules, but for what `MACHINE` and `LEARNING` list.

    Args:
        run_dir: the run's folder.
        words: the command's `key=value` words.

    Raises:
        UsageError: if a word would change anything else.
    """
    config = stored_config(run_dir)
    if "total_env_steps" not in config:
        raise UsageError(
            f"A run goes on in the folder that it was trained in, but {run_dir} holds a saved agent alone; resume the "
            "run that it comes from."
        )
    refuse_former_replay(run_dir, config)
    # An allow-list and trust are the user's to give, never a stored run's; a profile or a loss is of one command.
    config |= {
        "allow": [],
        "trust_edited": False,
        "profile": False,
        "seeds": None,
        "resume_from": "checkpoint",
    }
    for word in quote_paths(words):
        key, value = _split(word)
        if not is_resumable(word):
            raise UsageError(
                f"A continued run keeps its own configuration; only {', '.join((*LEARNING, *MACHINE[1:]))} may be "
                f"given anew, but got {key!r}; leave it out, or start a new run."
            )
        try:
            _set(config, key, parse_value(value))
        except ValueError as error:
            raise UsageError(
                f"The option {word!r} could not be read: {' '.join(str(error).split())[:200]}"
            ) from error
    return expand_paths(config)


def _set(config: dict[str, Any], key: str, value: Any) -> None:
    """Set an option that exists; what is stored is data, in which nothing stands for anything else, as `${…}` would.

    Raises:
        ValueError: if there is no such option.
    """
    *groups, name = key.split(".")
    node: Any = config
    for group in groups:
        node = node.get(group) if isinstance(node, dict) else None
    if not isinstance(node, dict) or name not in node:
        raise ValueError(f"the run has no option {key!r}; leave it out.")
    both = isinstance(value, dict) and isinstance(node[name], dict)
    node[name] = node[name] | value if both else value


def store_changes(run_dir: Path, config: Mapping[str, Any]) -> None:
    """Keep what a continued run is given anew for its learning, so that continuing it once more does not undo it.

    Args:
        run_dir: the run's folder.
        config: of the continued run.
    """
    stored = read_config(run_dir)
    before = yaml.safe_dump(stored, sort_keys=False)
    for name in LEARNING:
        group, _, key = name.rpartition(".")
        source: Mapping[str, Any] = config[group] if group else config
        target: dict[str, Any] = stored[group] if group else stored
        if key in source:
            target[key] = source[key]
    after = yaml.safe_dump(stored, sort_keys=False)
    if after != before:
        replace_texts(run_dir, {CONFIG_FILE: after})


def schedule_note(config: Mapping[str, Any], env_steps: int) -> str | None:
    """Say in one sentence what it means that a schedule ends before its run, if it does.

    Args:
        config: of the run.
        env_steps: where it stands.
    """
    end, total = config["schedule_env_steps"], config["total_env_steps"]
    if config["agent"].get("learning_rate_schedule") != "linear" or max(end, env_steps) >= total:
        return None
    when = f"ended at step {end:,}" if env_steps >= end else f"ends at step {end:,}, before the run does"
    return (
        f"note: the linear schedule of the learning rate {when}: from there to step {total:,} the rate is 0 and "
        f"nothing is learnt; give schedule_env_steps={total} or more, or agent.learning_rate_schedule=constant."
    )


def _split(word: str) -> tuple[str, str]:
    """A word's key, without what Hydra may have before it, and its value."""
    key, _, value = word.partition("=")
    return key.lstrip("+"), value
