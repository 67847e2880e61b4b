"""Before anything is learnt, the model's memory already shows what was seen and done."""

import math

import pytest
import torch
from small_cores import NAMES
from world_model_cases import VECTOR, make_agent, make_batch, make_rows

from engram.agents.world_model.dynamics import Latent
from engram.agents.world_model.latents import entropy
from engram.memory_cores import S5

LATENTS = {"units": 32, "memory_size": 32, "num_categoricals": 4, "num_classes": 4}


def memories(agent, num_rows, seen, done):
    """h `[N, n]` after `num_rows` rows of noise that agree but for the first z and the last action."""
    model, count = agent.world_model.dynamics, 64
    generator = torch.Generator().manual_seed(0)
    shape = (count, num_rows, model.num_categoricals)
    classes = torch.randint(model.num_classes, shape, generator=generator)
    actions = torch.randint(3, (count, num_rows), generator=generator)
    classes[:, 0], actions[:, -1] = seen, done
    h, core, z = (
        torch.zeros(count, model.memory_size),
        agent.initial_carry(count)["core"],
        model.one_hot(classes),
    )
    noise = torch.full((count, model.num_categoricals), 0.5)
    with torch.no_grad():
        for t in range(num_rows):
            latent = model.imagine_step(Latent(h, z[:, t], core), actions[:, t], noise)
            h, core = latent.h, latent.core
    return h


def share(agent, num_rows, **pair):
    """How far h moves with what was seen or done, in deviations of h."""
    rest = {"seen": 0, "done": 0}
    first, second = (
        memories(agent, num_rows, **{**rest, **{k: v[i] for k, v in pair.items()}}) for i in (0, 1)
    )
    spread = torch.cat([first, second]).std(0).square().mean().sqrt()
    return ((first - second).mean(0).square().mean().sqrt() / spread).item()


@pytest.mark.parametrize("name", NAMES)
def test_a_normalised_memory_is_as_loud_as_z_on_every_core(name):
    h = memories(make_agent(name, memory_norm=True, **LATENTS), 8, seen=0, done=0)
    assert 0.4 < h.square().mean().sqrt() < 0.8


def test_a_memory_with_long_time_scales_is_quiet_unless_normalised():
    h = memories(make_agent("gru", **LATENTS), 8, seen=0, done=0)
    assert h.square().mean().sqrt() < 0.2


def test_states_that_begin_large_show_what_was_seen_once():
    shares = {}
    for scale in (None, 4.0):

        def make_core(input_size, scale=scale):
            options = {"blocks": 4, "conj_sym": False, "prenorm": False, "postnorm": True}
            return S5(input_size, 32, 32, 2, state_scale=scale, **options)

        agent = make_agent("s5", **LATENTS)
        agent = type(agent)(agent.observation_space, agent.action_space, make_core, **LATENTS)
        shares[scale] = share(agent, 10, seen=(0, 1))
    assert shares[4.0] > 4 * shares[None]


def test_a_loud_action_shows_more():
    quiet, loud = (
        share(make_agent("r2i", action_gain=gain, **LATENTS), 3, done=(0, 1)) for gain in (1.0, 3.0)
    )
    assert loud > 1.5 * quiet


def test_a_scaled_posterior_is_all_but_certain_at_first():
    found = []
    for scale in (1.0, 8.0):
        agent = make_agent("gru", VECTOR, posterior_scale=scale, unimix=0.0, **LATENTS)
        rows = make_rows(agent)
        noise = torch.rand(*rows.batch_size, 4, generator=torch.Generator().manual_seed(0))
        observed = agent.world_model.observe(rows, agent.initial_carry(len(rows)), noise)
        found.append(entropy(observed.posterior).mean().item() / (4 * math.log(4)))
    assert found[0] > 0.7
    assert found[1] < 0.35


def test_a_memory_is_normalised_only_where_there_is_a_layer_for_it():
    with pytest.raises(ValueError, match="memory_norm of Dreamer must be false where memory_size is null"):
        make_agent("gru", memory_norm=True, memory_size=None)


def test_the_first_row_of_an_episode_brings_biases():
    """Zeros in front of a norm have a gradient of 1/√ε, layer by layer."""
    norms = {}
    for bias in (0.0, 0.1):
        agent = make_agent("mamba2", input_bias=bias)
        norms[bias] = agent.learn_model(make_batch(agent))["optim/core_gradient_norm"]
        row = make_agent("mamba2", input_bias=bias).world_model.dynamics.input(torch.zeros(1, 3 * 4 + 3))
        assert bool((row != 0).any()) == (bias > 0) and row.abs().max() < 0.5
    assert norms[0.0] > 100 * norms[0.1]
    with pytest.raises(
        ValueError, match="input_bias of Dreamer must be 0 where norm is rms, which has no biases"
    ):
        make_agent("mamba2", input_bias=0.1, norm="rms")
