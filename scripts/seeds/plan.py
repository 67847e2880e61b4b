"""From the words of `engram train seeds=8` to its runs, checked before anything starts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from engram.analysis.choices import chosen_option
from engram.command_line.axes import axis_values
from engram.command_line.config import Composed, compose_config
from engram.command_line.option_file import with_file
from engram.command_line.options import TrainOptions
from engram.command_line.paths import expand
from engram.command_line.resuming import SERVER, UNFINISHED, allow_words, allowed_packages, is_trusted
from engram.command_line.words import parse_value
from engram.common.checked import check_options, check_value, settings
from engram.common.errors import UsageError
from engram.common.option_types import Count, Index, Seed, Whole
from engram.common.shell import command_line, shell_word
from engram.run_files.plain_files import check_plain
from engram.run_files.run_command import asked_for
from engram.scripts.seeds.stored import SEEDS_FILE, StoredSeeds, read_seeds, write_seeds
from engram.scripts.sweeps.grid import Trial
from engram.scripts.sweeps.launchers import one_per_core
from engram.scripts.sweeps.plan import check_trials
from engram.training.building import build_env, check_device
from engram.training.new_run import make_common_dir

# What is said of all runs together, and never handed to one of them.
_OWN = ("seeds", "workers", "retries")
_SET_HERE = (*_OWN, "seed", "resume", "resume_from", "logging.run_dir")
# What a folder does not say, since it may be somebody else's; and what may be said anew when its runs go on.
_OF_THE_COMMAND = ("allow", "trust_edited", SERVER)
_ANEW = (*_OWN, *_OF_THE_COMMAND, "device", "capture", "threads")


@settings()
class SeedsOptions:
    """Options of several seeds together."""

    seeds: Annotated[int, Whole(1, example="8")]
    workers: Count | None = None
    retries: Index = 2


@dataclass(frozen=True)
class SeedTrial(Trial):
    """The run of one seed.

    Attributes:
        given: `key=value` of every run.
    """

    given: Sequence[str] = field(default_factory=tuple)

    @property
    def folder(self) -> Path:
        """Where it lies in the common folder."""
        return Path(self.values["seed"])

    @property
    def words(self) -> list[str]:
        """Its options of `engram train`, the folder apart: those of a single run of this seed."""
        return [*self.given, f"seed={self.values['seed']}"]


@dataclass(frozen=True)
class SeedsPlan:
    """What is to be trained.

    Attributes:
        directory: the common folder.
        trials: the run of every seed.
        config: that all share.
        workers: processes at a time.
        retries: how often a run that crashed is continued.
        trust_edited: go on with runs whose files were edited.
        command: continues all of them.
    """

    directory: Path
    trials: list[SeedTrial]
    config: dict[str, Any]
    workers: int
    retries: int
    trust_edited: bool
    command: str


def asks_for_seeds(words: Sequence[str]) -> bool:
    """Whether a command of `engram train` is for several seeds, or continues such."""
    given = _last_values(words)
    resume = given.get("resume", "null")
    if given.get("config", "null") not in ("", "null"):
        with suppress(UsageError), warnings.catch_warnings(action="ignore"):  # both are for whoever reads it
            given = _last_values(with_file(words, "train"))
    if given.get("seeds", "null") not in ("", "null"):
        return True
    return resume not in ("", "null", UNFINISHED) and (Path(resume).expanduser() / SEEDS_FILE).is_file()


def make_seeds_plan(words: Sequence[str]) -> SeedsPlan:
    """Read the words, and make the common folder or find it.

    Args:
        words: `key=value`, `seeds=` or the `resume=` of a common folder among them.

    Raises:
        UsageError: one sentence about a wrong option; then no folder was made.
    """
    resume = _last_values(words).get("resume", "null")
    if resume in ("", "null"):
        words = with_file(words, "train")
        first, stored_count, kept, directory = None, None, _others(words, _SET_HERE), None
    else:
        directory = Path(expand(resume))
        stored = _stored(directory, words)
        first, stored_count = stored.first, stored.count
        kept = [*stored.words, *_others(words, _SET_HERE)]
    given = _last_values(words)
    composed = compose_config("train", kept if "seed" not in given else [*kept, f"seed={given['seed']}"])
    config = check_options(composed.values, TrainOptions)
    own = _own_options(given, stored_count)
    if first is None:
        first = int(config["seed"])
    last = check_value(first + own["seeds"] - 1, Seed, "seed")
    check_device(config["device"])
    choices = {name: composed.choices[name] for name in ("agent", "core", "env")}
    values = [{**choices, "seed": str(seed)} for seed in range(first, last + 1)]
    trials = [SeedTrial(one, given=tuple(kept)) for one in values]
    check_trials(trials, {"seed": [one["seed"] for one in values]})
    if directory is None:
        directory = _make_folder(given.get("logging.run_dir"), config, composed, kept, f"{first}..{last}")
    write_seeds(directory, StoredSeeds(first, len(trials), _others(kept, _OF_THE_COMMAND)))
    workers = own["workers"] or min(len(trials), one_per_core(config["threads"]))
    command = command_line("train", [f"resume={directory}", *allow_words(kept)])
    return SeedsPlan(directory, trials, config, workers, own["retries"], is_trusted(words), command)


def _last_values(words: Sequence[str]) -> dict[str, str]:
    """What each key is given last."""
    return {key.lstrip("+"): value for key, _, value in (word.partition("=") for word in words)}


def _others(words: Sequence[str], keys: Sequence[str]) -> list[str]:
    return [word for word in words if word.lstrip("+").partition("=")[0] not in keys]


def _own_options(given: dict[str, str], stored_count: int | None) -> dict[str, Any]:
    """The options of all runs together; a common folder may get more seeds, not fewer."""
    values: dict[str, Any] = {"seeds": stored_count, "workers": None, "retries": 2}
    for name in _OWN:
        if name not in given or (name == "seeds" and given[name] in ("", "null")):
            continue
        if name == "seeds" and axis_values("seed", given[name]) is not None:
            raise UsageError(
                f"seeds says how many seeds there are, the first of which is seed=, but got seeds={given[name]}; write "
                f"seeds=8, or name them to engram sweep, seed={given[name]}."
            )
        try:
            values[name] = parse_value(given[name])
        except ValueError:
            values[name] = given[name]
    values = check_options(values, SeedsOptions)
    if stored_count is not None and values["seeds"] < stored_count:
        raise UsageError(
            f"A folder of several seeds keeps all of them, but this one has {stored_count} and got "
            f"seeds={values['seeds']}; leave it out, or give more."
        )
    return values


def _stored(directory: Path, words: Sequence[str]) -> StoredSeeds:
    """What a common folder is to go on with.

    Raises:
        UsageError: if the command says what it may not, or not what it must.
    """
    if not (directory / SEEDS_FILE).is_file():
        raise UsageError(
            f"With seeds= a folder is continued that engram train seeds=… has made, but {directory} holds no "
            f"{SEEDS_FILE}; leave seeds= out to continue a single run, or resume= to begin."
        )
    for word in words:
        key = word.lstrip("+").partition("=")[0]
        if key not in (*_ANEW, "resume"):
            raise UsageError(
                f"Runs that go on together keep their options; only {', '.join(_ANEW)} may be given anew, but got "
                f"{key!r}; leave it out, or continue them one by one, {shell_word(f'resume={directory}/<seed>')}."
            )
    check_plain(directory)
    stored = read_seeds(directory, is_trusted(words))
    missing = [one for one in allowed_packages(stored.words) if one not in allowed_packages(words)]
    if missing:
        raise UsageError(
            f"A folder allows no code by itself, but the runs of {directory} need the package {missing[0]}; give "
            f"allow=[{','.join([*allowed_packages(words), *missing])}] as well."
        )
    return stored


def _make_folder(
    given: str | None, config: dict[str, Any], composed: Composed, words: list[str], seeds: str
) -> Path:
    """Make the common folder: the one that is given, or one named after what is run."""
    if given is None or given == "null":
        env = build_env(config | {"device": "cpu"}, num_envs=1)
        env.close()
        command = asked_for(words, composed.choices)
        agent, core = (chosen_option(group, config[group], command, "") for group in ("agent", "core"))
        return make_common_dir(Path(config["logging"]["runs_dir"]), env.name, agent, core, f"seeds-{seeds}")
    directory = Path(expand(given))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        is_taken = any(directory.iterdir())
    except OSError as error:
        raise UsageError(
            f"A folder for several seeds must be one that can be made, but {directory} cannot ({error.strerror}); set "
            "logging.run_dir=<folder>."
        ) from error
    if is_taken:
        goes_on = (directory / SEEDS_FILE).is_file()
        way = f", or continue its runs with {shell_word(f'resume={directory}')}" if goes_on else ""
        raise UsageError(
            f"New runs need a folder of their own, but {directory} holds something; give another "
            f"logging.run_dir{way}."
        )
    return directory
