"""Settings with which nothing would be learnt are refused where they are given."""

import math

import pytest

from engram.agents.world_model.settings import LOSS_SCALES, DreamerSettings

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
    settings = DreamerSettings(loss_scales={"dynamics": 0}, entropy_coef=0, weight_decay=0, actor_scale=0)
    assert settings.entropy_coef == 0 and settings.loss_scales == LOSS_SCALES | {"dynamics": 0}


@pytest.mark.parametrize(
    "scales", [{"dynamcis": 1.0}, {"dynamics": -1}, {"dynamics": True}, {"image": math.nan}, 0.5]
)
def test_weights_of_losses_are_by_their_names(scales):
    rule = "loss_scales of Dreamer must be a mapping of any of vector, .*, replay_critic to a number of at least 0 each"
    with pytest.raises(ValueError, match=f"^{rule}, but got .*; set agent.loss_scales={{vector: 0.5}}.$"):
        DreamerSettings(loss_scales=scales)
