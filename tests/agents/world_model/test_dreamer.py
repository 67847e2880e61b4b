"""The agent: it learns, its losses are masked, it is saved and restored, and it says what cannot work."""

import dataclasses

import pytest
import torch
from small_cores import ONE_OF_EACH_FAMILY
from world_model_cases import (
    ACTIONS,
    MIXED,
    VECTOR,
    make_agent,
    make_batch,
    make_rows,
    scramble,
)

from engram import envs
from engram.agents.world_model.settings import LOSS_SCALES
from engram.run_files.checkpoint import load_checkpoint, save_checkpoint

VARIANTS = {
    "r2i": {"actor_reads": ("z", "carry")},
    "full": {"actor_reads": ("h", "z", "carry"), "imagine_every": 1},
    "dreamerv3": {
        "memory_size": None,
        "posterior": "memory",
        "norm": "rms",
        "bins": "symexp",
        "discount_in_continue": True,
        "loss_scales": {"replay_critic": 0.3},
        "optimizer": "laprop",
    },
}


def model_loss(metrics):
    names = ("vector", "symbol", "image", "reward", "continue", "dynamics", "representation")
    return sum(metrics.get(name, 0.0) for name in names)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("action", ACTIONS)
def test_updates_lower_the_models_loss_on_a_fixed_batch(variant, action):
    options = {"learning_rate": 3e-3, **VARIANTS[variant]}
    agent = make_agent("gru", VECTOR, ACTIONS[action], **options)
    batch = make_batch(agent)
    history = [agent.update(batch, 0) for _ in range(40)]
    assert model_loss(history[-1]) < 0.85 * model_loss(history[0])
    assert history[-1]["reward"] < history[0]["reward"]
    assert agent.num_updates == 40


def test_losses_are_summed_by_their_weights():
    """Only what has a weight is learnt from, in proportion to it, and the metrics say what was summed."""
    seen = {}
    for scale in (1.0, 2.0):
        scales = dict.fromkeys(LOSS_SCALES, 0.0) | {"continue": scale}
        agent = make_agent("gru", MIXED, loss_scales=scales)
        metrics = agent.update(make_batch(agent), 0)
        assert {name for name in LOSS_SCALES if metrics.get(name, 0.0) != 0} == {"continue"}
        model = agent.world_model
        assert not any(p.grad.any() for part in (model.reward_head, model.decoder) for p in part.parameters())
        seen[scale] = (metrics["continue"], model.continue_head[-1].weight.grad)
    assert seen[2.0][0] == 2 * seen[1.0][0] > 0
    torch.testing.assert_close(seen[2.0][1], 2 * seen[1.0][1])


def test_scaled_rewards_are_learnt_from_as_larger_ones():
    scaled, plain = (
        make_agent("gru", VECTOR, reward_scale=scale, **VARIANTS["dreamerv3"]) for scale in (8.0, 1.0)
    )
    batch, larger = make_batch(scaled), make_batch(plain)
    before = batch.rows["reward"].clone()
    larger.rows["reward"] *= 8
    assert scaled.update(batch, 0) == plain.update(larger, 0)
    assert torch.equal(batch.rows["reward"], before)


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
@pytest.mark.parametrize("posterior", ["observation", "memory"])
def test_every_core_learns_and_every_parameter_moves(name, posterior):
    agent = make_agent(name, MIXED, posterior=posterior, loss_scales={"replay_critic": 0.3}, free_nats=0.0)
    scramble(agent.behavior)
    before = {key: value.clone() for key, value in agent.world_model.named_parameters()}
    batch = make_batch(agent)
    for _ in range(2):
        agent.update(batch, 0)
    still = [key for key, value in agent.world_model.named_parameters() if torch.equal(value, before[key])]
    # Without masks in the rows nothing is to be learnt of them.
    assert [key for key in still if not key.startswith("mask_head")] == []


def test_first_predictions_are_exactly_zero():
    agent = make_agent("gru")
    observed = agent.world_model.observe(make_rows(agent), agent.initial_carry(4), torch.rand(4, 12, 3))
    assert (agent.world_model.reward(observed.features) == 0).all()
    reads = agent.behavior.read(agent.world_model, observed.h, observed.z, observed.core)
    assert (agent.behavior.critic(reads).mean() == 0).all()


def test_rows_that_are_not_trained_on_do_not_count():
    """Whatever the untrained rows hold, losses of the model are the same, and so is what it learns."""
    results = []
    for fill in (0.0, 1e3):
        agent = make_agent("gru", VECTOR, posterior="observation")
        batch = make_batch(agent)
        batch.is_trained[:, :4] = False
        batch.rows["reward"][:, :4] = fill
        metrics = agent.update(batch, 0)
        results.append((metrics["reward"], agent.world_model.reward_head.head[-1].bias.detach().clone()))
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])


def test_it_is_what_the_replay_asks_for():
    agent = make_agent("s5", burn_in=4, batch_length=8)
    carry = agent.initial_carry(3)
    stored = agent.stored_carry(carry)
    assert set(stored.keys()) == {"core", "z"}
    rows = make_rows(agent, batch=3, starts=())
    agent.update(dataclasses.replace(make_batch(agent, rows), carry=stored), 0)


def test_acting_is_deterministic_on_request_and_leaves_its_carry():
    env = envs.RecallFirst(num_envs=3, delay=4)
    agent = make_agent("lstm", env.single_observation_space, env.single_action_space)
    row, carry = env.reset(0), agent.initial_carry(3)
    kept = carry.clone()
    first = agent.act(row, carry)
    again = agent.act(row, carry)
    assert torch.equal(first[0], again[0])
    assert (carry == kept).all()
    assert torch.equal(first[1]["noise_counter"], carry["noise_counter"] + 1)
    probabilities = torch.stack([agent.act(row, c, deterministic=True)[0] for c in (carry, carry)])
    assert torch.equal(*probabilities)


def test_a_seed_decides_everything():
    def run(seed):
        agent = make_agent("s5", seed=seed)
        metrics = [agent.update(make_batch(agent), 0) for _ in range(2)]
        return metrics[-1]

    torch.manual_seed(1)
    first = run(0)
    torch.manual_seed(2)
    assert run(0) == first
    assert run(1) != first


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_restored_agent_learns_on_alike(variant, tmp_path):
    agents = [make_agent("s5", **VARIANTS[variant], seed=seed) for seed in (0, 0)]
    batches = [make_batch(agents[0], seed=seed) for seed in range(3)]
    for batch in batches[:2]:
        agents[0].update(batch, 0)
    save_checkpoint(tmp_path / "agent.safetensors", agents[0].state_dict())
    agents[1].load_state_dict(load_checkpoint(tmp_path / "agent.safetensors"))
    results = [agent.update(batches[2], 0) for agent in agents]
    assert results[0] == results[1]
    for key, value in agents[0].world_model.state_dict().items():
        assert torch.equal(value, agents[1].world_model.state_dict()[key]), key


def test_a_bad_number_is_named_before_anything_moves():
    agent = make_agent("gru", VECTOR)
    batch = make_batch(agent)
    before = {key: value.clone() for key, value in agent.state_dict()["world_model"].items()}
    batch.rows["reward"][0, 3] = torch.nan
    with pytest.raises(FloatingPointError, match="rows/reward"):
        agent.update(batch, 0)
    assert all(torch.equal(value, before[key]) for key, value in agent.state_dict()["world_model"].items())


def test_mixed_precision_stays_close():
    results = []
    for precision in ("float32", "bfloat16"):
        agent = make_agent("s5", MIXED, precision=precision, learning_rate=1e-3, seed=3)
        batch = make_batch(agent)
        results.append([agent.update(batch, 0) for _ in range(5)])
        assert all(value.dtype == torch.float32 for value in agent.world_model.parameters())
    for single, half in zip(*results, strict=True):
        assert half["image"] == pytest.approx(single["image"], rel=0.05)
        assert half["optim/actor_gradient_norm"] > 0 or single["optim/actor_gradient_norm"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actor_gradient": "dynamics"}, "Box"),
        ({"imagine_every": 5}, "divisor of batch_length"),
        ({"num_bins": 64}, "num_bins of Dreamer must be odd, so that 0 is one of them, .*got 64"),
        ({"posterior": "prior"}, "one of observation, memory"),
        ({"num_classes": 300}, "2 to 256"),
        ({"actor_reads": ["h", "x"]}, "a list of h, z and carry"),
        ({"units": 0}, "at least 1"),
        ({"gamma": 2}, "from 0 to 1"),
        ({"unit": 3}, "takes the arguments"),
        ({"loss_scales": {"replay_critic": 0.3}, "actor_reads": ["carry"]}, "imagine_every"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_one_sentence(options, message):
    with pytest.raises(ValueError, match=message) as error:
        make_agent("gru", **options)
    assert "\n" not in str(error.value)


def test_reading_nothing_but_the_carry_of_a_core_without_one_is_refused():
    with pytest.raises(ValueError, match="keeps none"):
        make_agent("mlp", actor_reads=("carry",))


def test_without_a_memory_the_actor_reads_what_else_there_is():
    """The preset's z and carry are z alone, as if nothing else had been asked for."""
    both, alone = (make_agent("mlp", actor_reads=reads) for reads in (("z", "carry"), ("z",)))
    for one, other in zip(both.behavior.parameters(), alone.behavior.parameters(), strict=True):
        assert torch.equal(one, other)
