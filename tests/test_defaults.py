"""Whoever uses Python gets the defaults of the command line: a file of options is held to the class that it is for.

A file that presets others says so, by the word "preset" in its first comment.
"""

import dataclasses
import inspect
import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from engram import configs
from engram.agents.replay import ReplaySettings
from engram.agents.stored.build import build, find_target
from engram.benchmarks.command import BENCHMARKS, make_options
from engram.command_line.config import compose_config
from engram.command_line.help import NODES
from engram.command_line.leaderboard_options import LeaderboardOptions
from engram.command_line.options import (
    EvaluateOptions,
    ExportOptions,
    PullOptions,
    PushOptions,
    SweepOptions,
    TrainOptions,
)
from engram.command_line.plot_options import PlotOptions
from engram.command_line.tune_options import TuneOptions
from engram.common.annotations import annotations_of, default_of

CONFIGS = Path(configs.__file__).parent
FILES = {
    path.relative_to(CONFIGS).with_suffix("").as_posix(): path
    for group in ("agent", "core", "env")
    for path in sorted((CONFIGS / group).rglob("*.yaml"))
}
COMMANDS = {
    "train": TrainOptions,
    "sweep": SweepOptions,
    "tune": TuneOptions,
    "evaluate": EvaluateOptions,
    "plot": PlotOptions,
    "leaderboard": LeaderboardOptions,
    "export": ExportOptions,
    "push": PushOptions,
    "pull": PullOptions,
}


def is_preset(path):
    """Whether the comment with which a file begins says so."""
    comment = itertools.takewhile(lambda line: line.startswith("#"), path.read_text().splitlines())
    return any("preset" in line for line in comment)


def description_of(name):
    """What a file describes, with what it stands on; those of agents choose a core and a size beside it."""
    loaded = OmegaConf.load(FILES[name])
    for base in loaded.get("defaults", []):
        path = f"{name.rpartition('/')[0]}/{base}"
        loaded = OmegaConf.merge(OmegaConf.load(FILES[path]), loaded) if path in FILES else loaded
    found = OmegaConf.to_container(loaded, resolve=True)
    return found.get("agent", found)


def plain(value):
    """A value as YAML writes it: lists for tuples, and for None where options may be added a mapping without any."""
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return {} if value is None or repr(value) == "<factory>" else value


def differences(given, owner, prefix=""):
    """The options of a description, or of a command, that are not the default of what they are for."""
    for name in annotations_of(owner)[1].keys() & given.keys():
        value, default = given[name], default_of(owner, name)
        if isinstance(value, Mapping) and "_target_" in value:
            # None stands for what the class makes by itself: a test below shows that it is the same.
            if default not in (None, inspect.Parameter.empty, find_target(value["_target_"])):
                yield f"{prefix}{name}", value, default
            yield from differences(value, find_target(value["_target_"]), f"{prefix}{name}.")
        elif dataclasses.is_dataclass(default):
            yield from differences(value, type(default), f"{prefix}{name}.")
        elif default is not inspect.Parameter.empty and plain(value) != plain(default):
            yield f"{prefix}{name}", value, default


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_the_defaults_of_its_class_or_says_that_it_is_a_preset(name):
    description = description_of(name)
    found = list(differences(description, find_target(description["_target_"])))
    assert bool(found) == is_preset(FILES[name]), found


CORES = [name for name in FILES if name.startswith("core/") and not is_preset(FILES[name])]


@pytest.mark.parametrize("name", CORES)
def test_a_core_of_the_command_line_is_that_of_python(name):
    description = description_of(name)
    make, kind = build(description), find_target(description["_target_"])
    needed = {name: one for name, one in make.keywords.items() if name == "make_layer"}
    states = []
    for core in (make, kind):
        torch.manual_seed(0)
        states.append(core(input_size=3, **needed).state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_the_defaults_of_its_class(command):
    needed = {
        "evaluate": ["run=x"],
        "export": ["run=x"],
        "plot": ["runs=x"],
        "push": ["run=x", "to=x"],
        "pull": ["from=x"],
    }.get(command, [])
    assert not list(differences(compose_config(command, needed).values, COMMANDS[command]))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_has_the_defaults_of_its_class(name):
    options = make_options(name, [])
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    # What is chosen by name is preset for the benchmark, as its file may be.
    own = {key: value for key, value in given.items() if key not in NODES}
    assert not list(differences(own, type(options)))


def test_a_replay_has_the_defaults_of_its_class():
    replay = compose_config("train", ["agent=r2i"]).values["agent"]["replay"]
    assert ReplaySettings(**replay) == ReplaySettings()
