"""Settings with which nothing would be learnt are refused where they are given."""

import math

import pytest

from engram.agents.world_model.settings import DreamerSettings

POSITIVE = (
    "learning_rate",
    "core_learning_rate",
    "actor_learning_rate",
    "critic_learning_rate",
    "reward_scale",
    "train_ratio",
    "max_grad_norm",
    "actor_max_grad_norm",
    "critic_max_grad_norm",
    "adaptive_clip",
)


@pytest.mark.parametrize("name", POSITIVE)
@pytest.mark.parametrize("value", [0, -1.0, math.nan])
def test_factors_of_all_learning_are_above_0(name, value):
    with pytest.raises(ValueError, match=rf"^{name} of Dreamer must be a number above 0.*set agent\.{name}"):
        DreamerSettings(**{name: value})


def test_null_clips_nothing_and_nothing_is_infinite():
    assert DreamerSettings(max_grad_norm=None, adaptive_clip=None).max_grad_norm is None
    for name in ("learning_rate", "reward_scale", "entropy_coef", "max_grad_norm", "adaptive_clip"):
        with pytest.raises(ValueError, match=f"^{name} of Dreamer must be a number"):
            DreamerSettings(**{name: math.inf})


def test_terms_of_the_loss_may_be_0():
    assert DreamerSettings(dynamics_scale=0, entropy_coef=0, weight_decay=0, actor_scale=0).entropy_coef == 0
