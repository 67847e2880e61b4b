"""What random actions are worth by a run's options: the environment's own figure, and what playing gives."""

import pytest
from contract import check_worth_chance

from engram.command_line.config import compose_config
from engram.envs import TASKS, make_env
from engram.envs.chance import chance_return
from engram.envs.diagnostic.t_maze_chance import random_walk_return
from engram.training.building import build_env

WORDS = [
    ["env=diagnostic/bandit", "env.num_pulls=7"],
    ["env=diagnostic/copy_sequence", "env.num_symbols=3"],
    ["env=diagnostic/discounting_chain", "env.mapping_seed=2"],
    ["env=diagnostic/memory_chain", "env.num_bits=3"],
    ["env=diagnostic/parity"],
    ["env=diagnostic/permutations", "env.tokens=all"],
    ["env=diagnostic/recall_first", "env.num_symbols=5", "env.trials=3"],
    ["env=diagnostic/recall_pairs", "env.num_values=3"],
    ["env=diagnostic/t_maze", "env.corridor_length=3"],
    ["env=diagnostic/t_maze", "env.corridor_length=2", "env.oracle_length=1", "env.penalty=-0.1"],
    ["env=diagnostic/t_maze", "env.corridor_length=1", "env.oracle_length=3"],
    ["env=tvt/key_to_door", "env.delay=30"],
    ["env=popgym/repeat_previous_easy"],
    ["env=popgym/repeat_previous", "+env.kwargs.k=2"],
    ["env=ballet/4_delay48"],
    ["env=minigrid/memory_s7"],
    ["env=memory_gym/mystery_path_grid"],
]


def composed(words):
    return compose_config("train", ["core=gru", *words]).values


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_it_is_what_the_environment_itself_states(words):
    config = composed(words)
    env = build_env(config, 1)
    assert chance_return(env.name, config["env"]) == env.chance_return


@pytest.mark.parametrize(
    "words", [one for one in WORDS if one[0].startswith("env=diagnostic/")], ids=" ".join
)
def test_playing_gives_it(words):
    config = composed(words)
    env = build_env(config, 4000)
    env.reset(0)
    check_worth_chance(env)


def test_every_task_that_states_it_is_known_by_its_options():
    unknown = [
        name
        for name, task in TASKS.items()
        if task.native and not name.startswith("memory_maze/") and make_env(name, 1).chance_return is not None
        if chance_return(name, {}) is None
    ]
    assert unknown == []


def test_literal_figures():
    assert chance_return("popgym/repeat_previous_easy", {"kwargs": {}}) == -0.496
    assert chance_return("popgym/repeat_previous_medium", {"action": "clip"}) == -0.499
    assert chance_return("diagnostic/recall_first", {"num_symbols": 4, "delay": 100}) == -0.5
    assert chance_return("diagnostic/recall_first", {"num_symbols": 4, "trials": 3}) == -1.5
    # One step to the junction: three of four lag and pay 1; of the others half turn, one half of these rightly.
    assert random_walk_return(1, 0, -1.0) == pytest.approx(-0.75 + 0.25 * 0.25)
    assert random_walk_return(10**9, 0, -1.0) == pytest.approx(-(10**9) + 1 / 3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("CartPole-v1", {"id": "CartPole-v1"}),
        ("memory_maze/tiny", {}),
        ("popgym/repeat_previous", {"kwargs": {"k": 3}}),
        ("popgym/repeat_previous_easy", {"max_episode_steps": 5}),
        ("popgym/position_only_pendulum_easy", {"action": "clip"}),
        ("tvt/key_to_door", {"delay": 31}),
        ("diagnostic/recall_first", {"projection": {"action": 3}}),
    ],
)
def test_what_nobody_knows_is_none(name, options):
    assert chance_return(name, options) is None


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("diagnostic/recall_first", {"num_symbols": "four"}),
        ("diagnostic/recall_first", {"num_symbols": 0}),
        ("diagnostic/recall_first", {"trials": 10**400}),
        ("diagnostic/t_maze", {"corridor_length": True}),
        ("diagnostic/t_maze", {"oracle_length": 10**9}),
        ("diagnostic/t_maze", {"penalty": float("nan")}),
        ("diagnostic/bandit", {"num_pulls": 10**400}),
        ("popgym/repeat_previous_easy", {"kwargs": "x"}),
        ("popgym/repeat_previous_easy", {"projection": [3]}),
    ],
)
def test_damaged_options_are_worth_nothing(name, options):
    assert chance_return(name, options) is None
