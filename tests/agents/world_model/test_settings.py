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
    "model_clip",
    "actor_clip",
    "critic_clip",
    "adaptive_clip",
)


@pytest.mark.parametrize("name", POSITIVE)
@pytest.mark.parametrize("value", [0, -1.0, math.nan])
def test_factors_of_all_learning_are_above_0(name, value):
    with pytest.raises(ValueError, match=rf"^{name} of Dreamer must be a number above 0.*set agent\.{name}"):
        DreamerSettings(**{name: value})


def test_infinity_is_for_clips_alone():
    assert DreamerSettings(model_clip=math.inf).model_clip == math.inf
    for name in ("learning_rate", "reward_scale", "entropy_coef"):
        with pytest.raises(ValueError, match=f"^{name} of Dreamer must be a number"):
            DreamerSettings(**{name: math.inf})


def test_terms_of_the_loss_may_be_0():
    assert DreamerSettings(dynamics_scale=0, entropy_coef=0, weight_decay=0, actor_scale=0).entropy_coef == 0
