"""Observing: a sequence equals its steps, what acted is what is learnt from, and nothing crosses a boundary."""

import pytest
import torch
from small_cores import ONE_OF_EACH_FAMILY
from world_model_cases import MIXED, make_agent, make_rows, scramble

from engram import envs
from engram.agents.world_model import dynamics
from engram.common import row_gradients
from engram.common.streams import stream_uniform

POSTERIORS = ("observation", "memory")


def noise_for(agent, rows, seed=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*rows.batch_size, agent.settings.num_categoricals, generator=generator)


def run_steps(agent, rows, carry, noise):
    """The same rows one by one: latents and posteriors, stacked."""
    hs, zs, posteriors = [], [], []
    for t in range(rows.batch_size[1]):
        latent, posterior, carry = agent.world_model.step(rows[:, t], carry, noise[:, t])
        hs.append(latent.h)
        zs.append(latent.z)
        posteriors.append(posterior)
    return *(torch.stack(parts, 1) for parts in (hs, zs, posteriors)), carry


@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_a_sequence_equals_its_steps(name, posterior):
    """Two episodes in a window; the carries of every third row too."""
    agent = make_agent(name, posterior=posterior)
    scramble(agent.world_model)
    rows = make_rows(agent)
    noise, carry = noise_for(agent, rows), agent.initial_carry(4)
    with torch.no_grad():
        observed = agent.world_model.observe(rows, carry, noise)
        h, z, log_probs, last = run_steps(agent, rows, carry, noise)
        thirds = agent.world_model.observe(rows, carry, noise, all_carries=3).core
        _, _, _, middle = run_steps(agent, rows[:, :9], carry, noise)
    assert torch.equal(observed.z, z)
    torch.testing.assert_close(observed.h, h, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(observed.posterior, log_probs, rtol=1e-4, atol=1e-5)
    for key, leaf in last["core"].items(True, True):
        torch.testing.assert_close(observed.core[key], leaf, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(thirds[key][:, 2], middle["core"][key], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_learning_recomputes_what_acting_saw(name, posterior):
    """The standing test: from the driver's rows and carry, the same latents and the very same actions."""
    env = envs.RecallFirst(num_envs=5, delay=5)
    agent = make_agent(
        name, env.single_observation_space, env.single_action_space, posterior=posterior, actor_scale=2.0
    )
    scramble(agent.world_model)
    driver = envs.Driver(env)
    driver.start(0, agent.initial_carry(5))
    for _ in range(2):
        rollout = driver.collect(agent.act, 16)
    rows, carry = rollout.rows, rollout.carries[:, 0]
    assert (rows["is_first"].sum(1) >= 2).all() and not rows["is_first"][:, 0].all()
    counters = carry["noise_counter"][:, None] + torch.arange(16)
    keys = carry["noise_key"][:, None].expand(-1, 16)
    count = agent.settings.num_categoricals + agent.behavior.actor.num_outputs
    noise = stream_uniform(keys.flatten(), counters.flatten(), count).view(5, 16, count)
    z_noise, action_noise = noise.split(
        [agent.settings.num_categoricals, agent.behavior.actor.num_outputs], -1
    )
    with torch.no_grad():
        observed = agent.world_model.observe(rows, carry, z_noise)
        policy = agent.behavior.actor(
            agent.behavior.read(agent.world_model, observed.h, observed.z, observed.core)
        )
    assert torch.equal(policy.sample(action_noise), rows["action"])
    assert torch.equal(observed.z[:, -1].argmax(-1).to(torch.uint8), rollout.pending_carry["z"])
    for key, leaf in rollout.pending_carry["core"].items(True, True):
        torch.testing.assert_close(observed.core[key], leaf, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("posterior", POSTERIORS)
@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_nothing_crosses_a_boundary(name, posterior):
    """Whatever the first episode holds, NaN included, the second is the same, and it sends no gradient back."""
    agent = make_agent(name, posterior=posterior)
    scramble(agent.world_model)
    rows = make_rows(agent)
    noise = noise_for(agent, rows)
    embedding = agent.world_model.encoder(rows).detach()

    def second_episode(before, carry):
        values = embedding.clone()
        values[:, :7] = before
        values.requires_grad_()
        observed = agent.world_model.dynamics.observe(values, rows, carry, noise)
        seen = torch.cat([observed.h, observed.z.flatten(2), observed.prior.flatten(2)], -1)[:, 7:]
        return seen, values

    carry = agent.initial_carry(4)
    clean, _ = second_episode(embedding[:, :7], carry)
    carry["z"] = carry["z"] + 1
    other, values = second_episode(torch.randn(4, 7, embedding.shape[-1]), carry)
    broken, _ = second_episode(torch.nan, carry)
    for seen in (other, broken):
        torch.testing.assert_close(seen, clean, rtol=1e-4, atol=1e-5)
    gradient = torch.autograd.grad(other.square().sum(), values)[0]
    assert (gradient[:, :7] == 0).all()
    assert (gradient[:, 7:-1] != 0).any()


def test_the_carry_before_the_window_matters_only_without_a_start():
    agent = make_agent("gru")
    scramble(agent.world_model)
    for starts, same in (((0, 7), True), ((7,), False)):
        rows = make_rows(agent, starts=starts)
        noise, carry = noise_for(agent, rows), agent.initial_carry(4)
        changed = carry.clone()
        changed["z"] = changed["z"] + 1
        with torch.no_grad():
            h = [agent.world_model.observe(rows, c, noise).h for c in (carry, changed)]
        assert torch.equal(h[0][:, 0], h[1][:, 0]) == same
        assert torch.equal(h[0][:, 7:], h[1][:, 7:])


def test_only_the_posterior_that_reads_the_memory_does():
    for posterior in POSTERIORS:
        agent = make_agent("gru", MIXED, posterior=posterior)
        scramble(agent.world_model)
        rows = make_rows(agent)
        other = rows.clone()
        other["prev_action"] = (1 + rows["prev_action"]) % 3 * ~rows["is_first"]
        noise, carry = noise_for(agent, rows), agent.initial_carry(4)
        found = [agent.world_model.observe(r, carry, noise).posterior for r in (rows, other)]
        assert torch.equal(*found) == (posterior == "observation")


@pytest.mark.parametrize("name", ["block_gru", "gru", "s5"])
def test_gradients_of_a_stepwise_posterior_are_those_of_its_rows(name, monkeypatch):
    """One product for the gradient of each weight, in the place of one for each row."""
    monkeypatch.setattr(row_gradients, "LARGE", 0)
    agent = make_agent(name, posterior="memory", norm="rms")
    scramble(agent.world_model)
    rows, model, results = make_rows(agent), agent.world_model, []
    for gather in (dynamics.gather_row_gradients, lambda module, loop: loop()):
        monkeypatch.setattr(dynamics, "gather_row_gradients", gather)
        observed = model.observe(rows, agent.initial_carry(4), noise_for(agent, rows))
        loss = observed.features.tanh().square().sum() + observed.posterior.square().sum()
        results.append(torch.autograd.grad(loss, list(model.dynamics.parameters()), allow_unused=True))
    for gathered, summed in zip(*results, strict=True):
        if summed is None:
            assert gathered is None
        else:
            torch.testing.assert_close(gathered, summed, rtol=1e-4, atol=1e-5)
