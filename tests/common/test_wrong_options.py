"""Wrong options of everything that has typed ones, made by a program: each is one sentence of the same wording.

What has options is found by itself: a new core, environment, agent or command is held here without a line of its own.
"""

import dataclasses
import functools
import inspect
import re

import pytest
from typed import fits, needed_arguments, options_of, refused_values, settings_classes, typed_things

from engram.agents.stored.build import build
from engram.agents.stored.buildable import table
from engram.command_line.words import parse_value
from engram.common.annotations import further_options
from engram.common.checked import OptionError, UnknownOptionError
from engram.envs import Parity, Projection, RecallFirst, Trials
from engram.memory_cores import GRU

SENTENCE = (
    r"(?P<option>\w+)( of \w[\w ]*)? must be .+, but got .+; (set [\w.]+=(?P<meant>.+)|change [\w.]+)\."
)

read = functools.cache(parse_value)


def refusal_of(thing, arguments):
    """The sentence with which a call is refused."""
    with pytest.raises(OptionError) as caught:
        thing(**arguments)
    return str(caught.value)


def wrong_values(name):
    """Every option of a thing with each value that does not fit it."""
    for option, annotation in options_of(typed_things()[name]).items():
        for value in refused_values(annotation):
            yield option, annotation, value


@pytest.mark.parametrize("name", typed_things())
def test_a_value_that_does_not_fit(name):
    thing, needed = typed_things()[name], needed_arguments(typed_things()[name])
    for option, annotation, value in wrong_values(name):
        sentence = refusal_of(thing, {**needed, option: value})
        said = re.fullmatch(SENTENCE, sentence)
        assert said and said["option"] == option, sentence
        meant = said["meant"]  # <name> is the user's to fill in, quotes are the shell's
        assert meant is None or "<" in meant or fits(read(meant.strip("'")), annotation), sentence


@pytest.mark.parametrize("name", table())
def test_a_configuration_is_told_the_same(name):
    thing, needed = typed_things()[name], needed_arguments(typed_things()[name])
    for option, _, value in wrong_values(name):
        if callable(value):
            continue  # no configuration holds it
        with pytest.raises(OptionError) as caught:
            build({"_target_": name, "_partial_": True, option: value})
        assert str(caught.value) == refusal_of(thing, {**needed, option: value})


@pytest.mark.parametrize("name", typed_things())
def test_a_misspelt_name(name):
    thing, needed = typed_things()[name], needed_arguments(typed_things()[name])
    for option in options_of(thing):
        if len(option) > 4:
            with pytest.raises(
                (UnknownOptionError, TypeError), match="unexpected keyword argument"
            ) as caught:
                thing(**{**needed, option[:2] + option[3:]: 1})  # its third letter is missing
            if name in table():
                assert re.search(rf"did you mean [\w.]*{option}\?$", str(caught.value)), caught.value


_NO_CAMERA = {"camera": False, "image_only_obs": False}
NARROW = functools.partial(GRU, hidden_size=4)
PAIRS = [
    ("engram.memory_cores.BlockGRU", "hidden_size", {"hidden_size": 10, "blocks": 4}),
    ("engram.memory_cores.FFM", "min_period", {"min_period": 5, "max_period": 4}),
    ("engram.memory_cores.HCAM", "hidden_size", {"hidden_size": 8, "num_heads": 3}),
    ("engram.memory_cores.HCAM", "top_k", {"top_k": 5, "num_chunks": 4}),
    ("engram.memory_cores.HCAM", "hidden_size", {"hidden_size": 8, "make_inner": NARROW}),
    ("engram.memory_cores.LRU", "r_min", {"r_min": 0.9, "r_max": 0.8}),
    ("engram.memory_cores.MLSTM", "inner_size", {"inner_size": 24, "num_heads": 4}),
    ("engram.memory_cores.Mamba2", "inner_size", {"inner_size": 12, "num_heads": 8}),
    ("engram.memory_cores.Mamba2", "num_heads", {"inner_size": 24, "num_heads": 8, "num_groups": 3}),
    ("engram.memory_cores.RGLRU", "state_size", {"state_size": 10, "blocks": 4}),
    ("engram.memory_cores.RMC", "num_slots", {"num_slots": 9, "num_heads": 2, "head_size": 4}),
    ("engram.memory_cores.S4D", "state_size", {"state_size": 7}),
    ("engram.memory_cores.S4D", "dt_min", {"dt_min": 0.2}),
    ("engram.memory_cores.S5", "state_size", {"state_size": 7}),
    ("engram.memory_cores.S5", "dt_min", {"dt_min": 0.2}),
    ("engram.memory_cores.SLSTM", "hidden_size", {"hidden_size": 10, "num_heads": 4}),
    ("engram.memory_cores.TransformerXL", "head_size", {"head_size": 3, "positions": "rotary"}),
    ("engram.memory_cores.XLSTM", "inner_size", {"hidden_size": 16, "inner_size": 24, "num_heads": 4}),
    ("engram.memory_cores.Stack", "hidden_size", {"hidden_size": 8, "make_layer": NARROW}),
    ("engram.envs.memory_maze.maze.MemoryMaze", "camera", {"camera": False}),
    ("engram.envs.popgym.battleship.Battleship", "ship_sizes", {"board_size": 4, "ship_sizes": (5,)}),
    ("engram.envs.popgym.battleship.Battleship", "ship_sizes", {"ship_sizes": ()}),
    ("engram.envs.popgym.labyrinth.LabyrinthEscape", "maze_dims", {"maze_dims": (10, 14)}),
    ("engram.envs.popgym.labyrinth.LabyrinthExplore", "maze_dims", {"maze_dims": (10,)}),
    ("engram.envs.popgym.repeat_previous.RepeatPrevious", "k", {"k": 52}),
    ("engram.envs.Observable", "observable", {"inner": Parity(1)}),
    (
        "engram.envs.Projected",
        "action",
        {"inner": RecallFirst(1), "projection": Projection(action=2)},
    ),
    (
        "engram.envs.Projected",
        "observation",
        {"inner": Trials(RecallFirst(1), 2), "projection": Projection(observation=2)},
    ),
    ("engram.agents.PPO", "bptt_length", {"rollout_length": 8, "bptt_length": 3}),
    (
        "engram.agents.PPO",
        "lag",
        {"rollout_length": 8, "auxiliary": {"reconstruction": {"coef": 1.0, "lag": 8}}},
    ),
    (
        "engram.agents.R2D2",
        "steps",
        {"batch_length": 4, "auxiliary": {"self_prediction": {"coef": 1.0, "steps": 4}}},
    ),
    ("engram.agents.IMPALA", "c_bar", {"c_bar": 2.0, "rho_bar": 1.0}),
    ("engram.agents.PQN", "bptt_length", {"rollout_length": 16, "bptt_length": 7}),
    ("engram.agents.SAC", "batch_length", {"batch_length": 1}),
    ("engram.agents.SAC", "initial_temperature", {"initial_temperature": 20.0}),
    ("engram.agents.Dreamer", "batch_length", {"batch_length": 1}),
    ("engram.agents.Dreamer", "imagine_every", {"imagine_every": 5}),
    ("engram.agents.Dreamer", "imagine_every", {"imagine_every": 4, "loss_scales": {"replay_critic": 0.3}}),
    ("engram.agents.Dreamer", "memory_norm", {"memory_norm": True, "memory_size": None}),
    ("engram.agents.Dreamer", "action_gate", {"action_gate": True, "memory_size": None}),
    ("engram.envs.memory_maze.real.spaces.RealOptions", "top_camera", _NO_CAMERA | {"top_camera": True}),
    ("engram.envs.memory_maze.real.spaces.RealOptions", "image_only_obs", {"camera": False}),
    ("engram.envs.memory_maze.real.spaces.RealOptions", "image_only_obs", {"target_color_in_image": False}),
    ("engram.envs.memory_maze.real.spaces.RealOptions", "show_path", {"show_path": True}),
]


@pytest.mark.parametrize(("name", "option", "arguments"), PAIRS)
def test_values_that_do_not_go_together(name, option, arguments):
    thing = typed_things()[name]
    said = re.fullmatch(SENTENCE, refusal_of(thing, {**needed_arguments(thing), **arguments}))
    assert said and said["option"] == option


def test_there_are_thousands_and_every_rule_of_several_options_is_tried():
    assert sum(1 for name in typed_things() for _ in wrong_values(name)) > 4000
    assert {"engram.memory_cores.S5", "engram.envs.make_env"} < typed_things().keys()
    assert len(settings_classes()) > 20
    rules = [thing for thing in typed_things().values() if "require(" in inspect.getsource(thing)]
    tried = {part for name, _, _ in PAIRS for part in parts_of(typed_things()[name])}
    assert len(rules) >= 10 and not set(rules) - tried


def parts_of(thing):
    """A class and the options that it takes further, groups of options within, and what they are derived from."""
    further = further_options(thing)
    defaults = [field.default for field in dataclasses.fields(further)] if further else []
    groups = [type(default) for default in defaults if dataclasses.is_dataclass(default)]
    return {part for one in (thing, further, *groups) for part in getattr(one, "__mro__", (one,))}
