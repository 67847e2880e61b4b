"""Auxiliary losses in agents: what learns, what is counted and stored, and what stays as it was without them."""

import functools

import pytest
import torch
from on_policy_cases import make
from ppo_cases import collect, make_agent
from recorders import Again, assert_same_state, run_plainly
from small_cores import make_small

from engram import envs
from engram.agents import R2D2, Encoder, QNetwork
from engram.agents.auxiliary import GradientNorms, Window
from engram.agents.replay import Batch

BOTH = {
    "reconstruction": {"coef": 1.0, "lag": 2, "units": 8, "image_depth": 2},
    "self_prediction": {"coef": 0.5, "steps": 2, "target": "ema", "units": 8},
}
OFF = {"reconstruction": {"coef": 0.0, "lag": 2}, "self_prediction": {"coef": 0.0, "target": "ema"}}
KINDS = ["ppo", "impala", "pqn", "r2d2"]


def recall():
    return envs.RecallFirst(num_envs=5, delay=5)


def make_kind(kind, env, core=None, **options):
    core = core or make_small("gru")
    if kind == "ppo":
        return make_agent(env, core, **options)
    if kind != "r2d2":
        return make(kind, env, core, **options)
    encoder = functools.partial(Encoder, hidden_sizes=(8,))
    network = functools.partial(QNetwork, head_hidden_sizes=(8,), make_encoder=encoder)
    settings = {"rollout_length": 30, "batch_length": 20, "burn_in": 10, "precision": "float32"}
    settings |= {"replay": {"store_carry_every": 10}} | options
    return R2D2(env.single_observation_space, env.single_action_space, core, make_network=network, **settings)


def learn(agent, env, updates=2):
    """The metrics of the last of several updates on one rollout."""
    experience = collect(agent, env)
    if isinstance(agent, R2D2):
        rows = experience.rows
        rows["is_cut"] = torch.zeros_like(rows["is_last"])
        is_trained = torch.arange(30).expand(5, 30) >= agent.settings.burn_in
        experience = Batch(rows, agent.stored_carry(experience.carries[:, 0]), is_trained)
    for _ in range(updates):
        metrics = agent.update(experience, 0)
    return metrics


@pytest.mark.parametrize("kind", KINDS)
def test_what_teaches_learns_and_is_counted_by_itself(kind):
    env = recall()
    agent, plain = make_kind(kind, env, auxiliary=BOTH), make_kind(kind, env)
    before = {name: value.clone() for name, value in agent.auxiliary.state_dict().items()}
    metrics, alone = learn(agent, env), learn(plain, env)
    moved = {
        name.split(".")[2]
        for name, value in agent.auxiliary.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert moved == {"decoder", "transition", "target_core", "target_encoder"}
    added = {"reconstruction", "reconstruction_share", "self_prediction", "self_prediction_target_std"}
    added |= {f"core_gradient/{name}" for name in ("agent", "reconstruction", "self_prediction")}
    assert set(metrics) - set(alone) == added and all(metrics[name] > 0 for name in added)
    sizes = agent.sizes()
    assert sizes.pop("auxiliary_parameters") == sum(p.numel() for p in agent.auxiliary.trained_parameters())
    assert sizes == plain.sizes()


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_weight_nothing_is_changed(kind):
    env = recall()
    agent, plain = make_kind(kind, env, auxiliary=OFF), make_kind(kind, env)
    assert learn(agent, env) == learn(plain, env)
    assert_same_state(agent, plain)
    taught = make_kind(kind, env, auxiliary=BOTH)
    drawn = make_kind(kind, env).network.state_dict()
    assert all(torch.equal(value, drawn[name]) for name, value in taught.network.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_stored_learns_the_same(kind):
    env = recall()
    agent, again = (make_kind(kind, env, auxiliary=BOTH) for _ in range(2))
    learn(agent, env)
    again.load_state_dict(agent.state_dict())
    assert learn(again, env) == learn(agent, env)
    assert_same_state(again, agent)


def test_norms_are_those_of_each_loss():
    """Of the weighted losses with respect to the core's output, as each would have by itself."""
    env = recall()
    rollout = collect(make_agent(env), env)
    found = []
    for coef in (1.0, 3.0):
        agent = make_agent(env, auxiliary={"reconstruction": {"coef": coef}})
        found.append(agent.update(rollout, 0))
    for name, factor in (("agent", 1), ("reconstruction", 3)):
        one, other = (metrics[f"core_gradient/{name}"] for metrics in found)
        assert other == pytest.approx(factor * one, rel=1e-5)
    assert found[0]["reconstruction"] == pytest.approx(found[1]["reconstruction"], rel=1e-5)
    batch = agent._prepare(rollout)
    agent = make_agent(env)
    encoded = agent.network.encode(batch["rows"], batch["carry"])
    loss, _ = agent.minibatch_loss(batch["rows"], encoded)
    (gradient,) = torch.autograd.grad(loss, encoded.y)
    assert found[0]["core_gradient/agent"] == pytest.approx(gradient.norm().item(), rel=1e-4)


def test_the_actors_memory_is_taught_and_no_shortcut():
    env = recall()
    options = {"separate_critic_core": True, "shortcut": True, "auxiliary": BOTH}
    agent = make_agent(env, **options)
    batch = agent._prepare(collect(agent, env))
    network = agent.network
    encoded = network.encode(batch["rows"], batch["carry"])
    window = Window(batch["rows"], batch["carry"], encoded.y, batch["rows"]["mask"])
    loss, _ = agent.auxiliary(network, window, GradientNorms())
    untouched = [*network.critic_core.parameters(), *network.critic_encoder.parameters()]
    gradients = torch.autograd.grad(
        loss, [encoded.y, encoded.x, *untouched], allow_unused=True, retain_graph=True
    )
    assert gradients[0].abs().sum() > 0 and all(gradient is None for gradient in gradients[2:])
    through_core = torch.autograd.grad(encoded.y, encoded.x, gradients[0])[0]
    torch.testing.assert_close(gradients[1], through_core)


@pytest.mark.parametrize(
    "options",
    [
        {"bptt_length": 10, "num_minibatches": 3},
        {"precision": "bfloat16"},
        {"optimizer": "muon", "encoder": {"normalize": True}},
    ],
    ids=["pieces", "bfloat16", "muon"],
)
def test_options_of_ppo(options):
    env = recall()
    agent = make_agent(env, auxiliary=BOTH, **options)
    metrics = learn(agent, env, updates=3)
    assert 0 < metrics["reconstruction"] < 3 and metrics["core_gradient/self_prediction"] > 0


@pytest.mark.parametrize("kind", ["ppo", "pqn"])
def test_a_recorded_update_learns_the_same(kind):
    env, again = recall(), Again()
    options = {"num_minibatches": 2, "num_epochs": 2, "optimizer": "adam", "auxiliary": BOTH}
    plain, captured = (make_kind(kind, env, make_small("s5"), **options) for _ in range(2))
    run_plainly(plain)
    captured.capture_updates(again)
    rollout = collect(plain, env)
    for _ in range(3):
        assert captured.update(rollout, 0) == plain.update(rollout, 0)
    assert_same_state(captured, plain)
    assert again.replayed > 0


def test_reconstruction_is_learnt():
    """What was seen two rows ago cannot be told without a memory, and with one it is learnt to be told."""
    env = envs.make_env("popgym/repeat_previous_easy", 8)
    found = {}
    for core in ("gru", "mlp"):
        options = {"reconstruction": {"coef": 1.0, "lag": 2}}
        agent = make_agent(
            env, make_small(core, hidden_size=32), auxiliary=options, learning_rate=1e-2, num_epochs=10
        )
        found[core] = learn(agent, env, updates=8)["reconstruction"]
    assert found["gru"] < 0.7 * found["mlp"]
