"""PPO on images: acting and learning agree, images stay bytes, and it learns to remember what it saw."""

import functools
import statistics

import pytest
import torch
from pixel_envs import ColourRecall
from ppo_cases import collect, make_agent, recomputed_difference
from small_cores import make_narrow, make_small

from engram import envs, memory_cores
from engram.agents.networks.image_encoders import IMAGE_ENCODERS, ImageEncoder


def make_pixel_agent(env, core, **options):
    encoder = {"image_depth": 4, "image_features": 16, **options.pop("encoder", {})}
    return make_agent(env, core, encoder=encoder, **options)


@pytest.mark.parametrize("image_encoder", IMAGE_ENCODERS)
@pytest.mark.parametrize("core", ["gru", "gtrxl"])
@pytest.mark.parametrize("bptt_length", [None, 10])
def test_learning_recomputes_what_acting_saw_in_images(image_encoder, core, bptt_length):
    """Episodes of 7 rows, rollouts and chunks that cut across them, more images than are encoded at once."""
    env = ColourRecall(num_envs=10, delay=5)
    options = {"image_encoder": image_encoder, "previous_reward": True}
    agent = make_pixel_agent(env, make_small(core), bptt_length=bptt_length, encoder=options)
    rollout = collect(agent, env)
    assert rollout.rows["is_first"].sum() >= 10 * 4
    log_prob, value = recomputed_difference(agent, rollout)
    assert log_prob < 1e-5 and value < 1e-5


def test_the_standing_test_sees_the_images():
    env = ColourRecall(num_envs=5, delay=5)
    agent = make_pixel_agent(env, functools.partial(memory_cores.GRU, hidden_size=8))
    rollout = collect(agent, env)
    rollout.rows["obs"][:, :, :4] = 0
    assert recomputed_difference(agent, rollout)[0] > 1e-3


def test_mixed_precision_agrees_to_its_precision():
    env = ColourRecall(num_envs=10, delay=5)
    core = functools.partial(memory_cores.GRU, hidden_size=8)
    agent = make_pixel_agent(env, core, encoder={"image_dtype": "bfloat16"})
    log_prob, value = recomputed_difference(agent, collect(agent, env))
    assert log_prob < 0.05 and value < 0.05


def test_images_stay_bytes_until_the_encoder(monkeypatch):
    """Through the rollout, the cut into chunks and the minibatches, each encoded once."""
    seen = []
    forward = ImageEncoder.forward

    def listen(self, image):
        seen.append((image.dtype, image.shape[:-3]))
        return forward(self, image)

    env = ColourRecall(num_envs=8, delay=5)
    core = functools.partial(memory_cores.GRU, hidden_size=8)
    agent = make_pixel_agent(env, core, num_minibatches=4, bptt_length=15)
    rollout = collect(agent, env)
    assert rollout.rows["obs"].dtype == torch.uint8
    prepared = agent._prepare(rollout)["rows", "obs"]
    assert prepared.data_ptr() == rollout.rows["obs"].data_ptr()
    monkeypatch.setattr(ImageEncoder, "forward", listen)
    agent.update(rollout, 0)
    # The pending row, then 4 minibatches of 4 chunks.
    assert seen == [(torch.uint8, (8,))] + [(torch.uint8, (4, 15))] * 4


@pytest.mark.slow
@pytest.mark.parametrize("image_encoder", IMAGE_ENCODERS)
@pytest.mark.parametrize("core", ["gru", "mlp"])
def test_learns_to_recall_a_colour_if_it_remembers(image_encoder, core):
    env = ColourRecall(num_envs=32, delay=8)
    agent = make_pixel_agent(
        env,
        make_narrow(core, 32),
        rollout_length=40,
        num_epochs=4,
        num_minibatches=4,
        learning_rate=2e-3,
        entropy_coef=0.01,
        encoder={
            "image_encoder": image_encoder,
            "image_depth": 8 if image_encoder == "strided" else 4,
            "image_features": 32,
            "previous_action": False,
        },
    )
    driver = envs.Driver(env, agent.carry_every)
    driver.start(0, agent.initial_carry(32))
    best = -1.0
    while driver.env_steps < 80_000 and best < 0.9:
        rollout = driver.collect(agent.act, agent.rollout_length)
        agent.update(rollout, driver.env_steps)
        best = max(best, statistics.fmean(rollout.episodes["episodic_return"]))
    assert best >= 0.9 if core == "gru" else best < 0.3
