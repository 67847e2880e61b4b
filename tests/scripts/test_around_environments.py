"""What is put around a native environment is an option of every one of them, by the same words."""

import pytest

from engram.command_line.config import compose_config
from engram.command_line.help import help_text
from engram.envs import Projected, Trials
from engram.training.building import build_env, build_evaluation_env


def composed(*words: str) -> dict:
    return compose_config("train", words).values


@pytest.mark.parametrize("env", ["diagnostic/bandit", "popgym/repeat_first_easy"])
def test_words_of_the_command_line(env: str) -> None:
    config = composed(f"env={env}", "env.trials=2", "env.projection.observation=3", "evaluation.env.trials=5")
    made = build_env(config, 3)
    assert isinstance(made, Trials) and made.trials == 2 and made.name == env
    assert isinstance(made.inner, Projected) and made.inner.projection.observation == 3
    evaluated = build_evaluation_env(config, made)
    assert isinstance(evaluated, Trials) and evaluated.trials == 5
    assert "trials" not in composed(f"env={env}")["env"]


def test_a_class_of_ones_own() -> None:
    config = composed("env=custom", "env._target_=engram.envs.RecallFirst", "env.trials=3")
    assert build_env(config, 2).max_episode_steps == 27


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["env.trials=0"],
            r"trials of Bandit must be a whole number of at least 1, or null, but got 0; set env\.trials=",
        ),
        (["env.projection.observation=x"], r"observation of projection must be .+, but got 'x'"),
        (["env.projection.size=3"], r"did you mean|takes the arguments observation, action"),
        (["env.projection.action=2"], "action of projection must be permuted for the action space"),
    ],
)
def test_wrong_words(words: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build_env(composed("env=diagnostic/bandit", *words), 2)


def test_gymnasiums_have_none() -> None:
    with pytest.raises(ValueError, match=r"unexpected keyword argument 'env\.trials'"):
        build_env(composed("env=gymnasium", "env.id=CartPole-v1", "env.trials=2"), 2)


def test_help_names_them() -> None:
    text = help_text("train", ["env=diagnostic/bandit"])
    assert "env.trials=null" in text and "env.projection=null" in text
