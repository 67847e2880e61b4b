"""What a user mistypes is answered by what was meant; every option names itself when its value will not do."""

import dataclasses
import re
import typing

import pytest
from small_cores import NAMES

from engram import agents
from engram.agents.ppo.settings import PPOSettings
from engram.agents.replay import ReplaySettings
from engram.agents.stored.build import build, find_target
from engram.agents.world_model.settings import DreamerSettings
from engram.command_line.config import compose_config
from engram.command_line.options import (
    AnalyseOptions,
    EvaluateOptions,
    ExamOptions,
    ExportOptions,
    PullOptions,
    PushOptions,
    SweepOptions,
    TrainOptions,
)
from engram.command_line.suggestions import nearest_keys
from engram.common.checked import OptionError, check_arguments, check_options, check_value
from engram.common.errors import UsageError
from engram.common.option_types import Packages

DOES_NOT = "An option must exist in the configuration, but '{}' does not; {}--help all lists all options."
COUNT = len([*NAMES, "custom"])
HELP = "engram train --help all lists all."
SENTENCES = {
    "core=transformer": f"core must be one of transformer_xl … ({COUNT} in all), but got 'transformer'; {HELP}",
    "core=S5": f"core must be one of the {COUNT} of --help, but got 'S5'; write core=s5.",
    "agent=s5": "agent must be one of a2c, custom, dreamerv3, impala, ppo, pqn, r2d2, r2i, sac, but got 's5'; write "
    "core=s5.",
    "core=s5,gru seed=1": "Training takes one value of every option, but got core=s5,gru; to train all of them: "
    "engram sweep core=s5,gru seed=1.",
    "seed=0..4": "Training takes one value of every option, but got seed=0..4; to train all of them: "
    "engram sweep seed=0..4.",
    "env=popgym/*_easy": "Training takes one value of every option, but got env=popgym/*_easy; to train all of them: "
    "engram sweep 'env=popgym/*_easy'.",
    "seed=choice(1,2)": "Training takes one value of every option, but got seed=choice(1,2); to train all of them: "
    "engram sweep 'seed=choice(1,2)'.",
    "env=CartPole-v1": "'CartPole-v1'; write env=gymnasium env.id=CartPole-v1.",
    "env=ALE/Pong-v5": "'ALE/Pong-v5'; write env=gymnasium env.id=ALE/Pong-v5.",
    "env=my_envs:My-v0": "'my_envs:My-v0'; write env=gymnasium env.id=my_envs:My-v0.",
    "env=popgym-RepeatPreviousEasy-v0": "; write env=popgym/repeat_previous_easy.",
    "env=RepeatPreviousEasy": "; write env=popgym/repeat_previous_easy.",
    "env=recall_first": "; write env=diagnostic/recall_first.",
    "env=diagnostic": "; write env=diagnostic/bandit.",
    "total_env_steps=1,000,000": "A number is written without commas, but got total_env_steps=1,000,000; write "
    "total_env_steps=1_000_000.",
    "help": "An option is written key=value, but got 'help'; write --help.",
    "env=MemoryMaze-9x9-v0": "; write env=memory_maze/9x9.",
    "agent.lr=1e-3": DOES_NOT.format("agent.lr", "did you mean 'agent.learning_rate'? "),
    "lr=1e-3": DOES_NOT.format("lr", "did you mean 'agent.learning_rate'? "),
    "learning_rat=1e-3": DOES_NOT.format("learning_rat", "did you mean 'agent.learning_rate'? "),
    "replay.capacity_bytes=8 agent=r2i": DOES_NOT.format(
        "replay.capacity_bytes", "did you mean 'agent.replay.capacity_bytes'? "
    ),
    "agent.replay.capacity=8 agent=r2i": DOES_NOT.format(
        "agent.replay.capacity", "did you mean 'agent.replay.capacity_bytes'? "
    ),
    "agent.tau=0.01 agent=sac": DOES_NOT.format("agent.tau", "did you mean 'agent.target_update_rate'? "),
    "agent.learning_starts=9 agent=sac": DOES_NOT.format(
        "agent.learning_starts", "did you mean 'agent.replay.prefill'? "
    ),
    "agent.cores=shared agent=sac": DOES_NOT.format(
        "agent.cores", "did you mean 'agent.make_network.separate_critic_core'? "
    ),
    "hidden_size=8": DOES_NOT.format("hidden_size", "did you mean 'core.hidden_size'? "),
    "total_timesteps=8": DOES_NOT.format("total_timesteps", "did you mean 'total_env_steps'? "),
    "evaluation.every=8": DOES_NOT.format("evaluation.every", "did you mean 'evaluation.interval'? "),
    "agent.horizon=8 agent=r2i": DOES_NOT.format(
        "agent.horizon", "did you mean 'agent.imagination_horizon'? "
    ),
    "core.horizon=8 core=gru": DOES_NOT.format("core.horizon", "did you mean 'core.max_time_scale'? "),
    "core.conj_sym=true core=lstm": "it belongs to core=r2i, s5, s5rl; an argument that its file does not list",
    "env.delay=8": "it belongs to env=diagnostic/copy_sequence, diagnostic/recall_first, ballet/ballet, "
    "tvt/key_to_door …; an argument",
    "env.observation=symbols env=memory_gym/endless_mortar_mayhem": DOES_NOT.format(
        "env.observation", "memory_gym/endless_mortar_mayhem takes it as env.kwargs.observation; "
    ),
    "env.id=CartPole-v1": "it belongs to env=gymnasium; an argument",
    "--core=s5": "An option is written without dashes, key=value, but got '--core=s5'; write core=s5.",
    "--core s5": "An option is written without dashes, key=value, but got '--core'; write core=s5.",
    "--total-env-steps=8": "but got '--total-env-steps=8'; write total_env_steps=8.",
    "core s5": "An option is written key=value, but got 'core'; write core=s5.",
    "core = s5": "An option is written key=value, but got 'core'; write core=s5, without spaces.",
    "s5": "An option is written key=value, but got 's5'; write core=s5.",
    "core:s5": "An option is written key=value, but got 'core:s5'; write core=s5.",
}


@pytest.mark.parametrize("words", SENTENCES)
def test_what_is_mistyped_is_answered_by_what_was_meant(words):
    with pytest.raises(UsageError) as caught:
        compose_config("train", words.split())
    assert str(caught.value).endswith(SENTENCES[words]) or SENTENCES[words] in str(caught.value)


@pytest.mark.parametrize("key", ["logging.wandb", "curriculum", "agent.auxiliary"])
def test_options_that_a_whole_does_not_have(key):
    with pytest.raises(
        UsageError, match=rf"^{re.escape(key)} has options, .* {re.escape(key)}\.<option>=<value>"
    ):
        compose_config("train", [f"{key}={{x:1}}"])


def test_an_argument_of_a_class_of_the_users_own_takes_a_plus():
    with pytest.raises(UsageError, match=r"is added by \+core\.hidden_size=value"):
        compose_config("train", ["core=custom", "core._target_=my.Core", "core.hidden_size=8"])


@pytest.fixture(scope="module")
def composed():
    """The options of both kinds of agents, with a core and an environment."""
    return {
        agent: compose_config("train", [f"agent={agent}", "core=s5", "env=diagnostic/recall_first"]).values
        for agent in ("ppo", "r2i")
    }


def leaves(node, prefix=()):
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*prefix, key))
        elif not key.startswith("_"):
            yield (*prefix, key), value


def replaced(node, path, value):
    return {**node, path[0]: replaced(node[path[0]], path[1:], value) if len(path) > 1 else value}


@pytest.mark.parametrize("agent", ["ppo", "r2i"])
def test_a_misspelt_key_at_any_depth(composed, agent):
    known = [".".join(path) for path, _ in leaves(composed[agent])]
    assert len(known) > 60
    for key in known:
        head, _, last = key.rpartition(".")
        if len(last) > 4:
            wrong = f"{head}.{last[:2]}{last[3:]}".lstrip(".")  # its third letter is missing
            assert nearest_keys(wrong, known) == [key], wrong


WRONG = ("a_word", -1, 0, 1.5, True, None, [1], {"a": 1})


def options_of(group, prefix=""):
    """Every option that a class of options lists, by its dotted name, with its annotation."""
    for name, annotation in typing.get_type_hints(group, include_extras=True).items():
        if dataclasses.is_dataclass(annotation):
            yield from options_of(annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", annotation


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("train", TrainOptions),
        ("sweep", SweepOptions),
        ("evaluate", EvaluateOptions),
        ("export", ExportOptions),
        ("analyse", AnalyseOptions),
        ("exam", ExamOptions),
        ("push", PushOptions),
        ("pull", PullOptions),
    ],
)
def test_every_option_of_a_command_names_itself(command, options):
    needed = {"push": ["run=x", "to=x"], "pull": ["from=x"], "train": [], "sweep": [], "exam": []}.get(
        command, ["run=x"]
    )
    values = compose_config(command, needed).values
    values.pop("from", None)  # no field of Python's can be called so; tests/api/test_sharing.py has it
    assert check_options(values, options) == values
    refused = 0
    for name, annotation in options_of(options):
        for value in WRONG:
            try:
                check_value(value, annotation, name)
            except OptionError:
                sentence = rf"^{re.escape(name)} must be .*, but got .*; set {re.escape(name)}="
                with pytest.raises(OptionError, match=sentence):
                    check_options(replaced(values, name.split("."), value), options)
                refused += 1
    assert refused > 3 * len(list(options_of(options)))


@pytest.mark.parametrize(
    ("word", "expected"),
    [("1e6", 1_000_000), ("2.5e3", 2500), ("1_000", 1000), ("7.0", 7), ("1e0", 1)],
)
def test_a_whole_number_however_it_is_written(word, expected):
    words = [
        f"total_env_steps={word}",
        "agent=ppo",
        f"agent.rollout_length={word}",
        f"core.hidden_size={word}",
    ]
    values = check_options(compose_config("train", words).values, TrainOptions)
    assert repr(values["total_env_steps"]) == repr(values["schedule_env_steps"]) == repr(expected)
    assert repr(PPOSettings(rollout_length=values["agent"]["rollout_length"]).rollout_length) == repr(
        expected
    )
    make_core = build(values["core"])
    assert repr(make_core.keywords["hidden_size"]) == repr(expected)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("10k", "10_000"),
        ("1.5M", "1_500_000"),
        ("1.5", "1_000_000"),
        ("0", "1_000_000"),
        ("many", "1_000_000"),
    ],
)
def test_what_is_no_whole_number(word, meant):
    values = compose_config("train", [f"total_env_steps={word}"]).values
    with pytest.raises(
        OptionError, match=rf"total_env_steps must be a whole number.*; set total_env_steps={meant}\.$"
    ):
        check_options(values, TrainOptions)


def test_whole_numbers_of_settings_and_arguments():
    assert repr(DreamerSettings(units=1e2, memory_size=1e2).memory_size) == "100"
    assert repr(ReplaySettings(prefill=1e4).prefill) == "10000"
    fitted = check_arguments(agents.Encoder, {"hidden_sizes": [1e1, 8], "image_features": 2e1}, "Encoder")
    assert repr(fitted) == "{'hidden_sizes': [10, 8], 'image_features': 20}"
    with pytest.raises(
        ValueError, match=r"hidden_size of GRU must be a whole number from 1 to .*, but got 1\.5"
    ):
        check_arguments(find_target("engram.memory_cores.GRU"), {"hidden_size": 1.5}, "GRU")


def test_an_allow_list_is_no_word():
    with pytest.raises(
        ValueError, match=r"allow must be a list of package names, but got 'my_cores'; write allow="
    ):
        find_target("engram.memory_cores.GRU", allow="my_cores")
    with pytest.raises(OptionError, match=r"but got 'my_cores'; set allow=\[my_cores\]"):
        check_value("my_cores", Packages, "allow")
