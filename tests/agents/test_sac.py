"""SAC around its losses: what acting and learning share, its memories, target critic, rates and spaces."""

import math

import pytest
import torch
from gymnasium import spaces
from pixel_envs import ColourRecall
from ppo_cases import collect
from sac_cases import ENVS, make_sac, pendulum, recall, window
from small_cores import ONE_OF_EACH_FAMILY, make_small
from tensordict import TensorDict

from engram import envs
from engram.agents.replay.random_actions import RandomActions
from engram.common.streams import stream_uniform
from engram.envs.popgym.pendulum import PositionOnlyPendulum


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
@pytest.mark.parametrize("kind", ENVS)
def test_learning_recomputes_what_acting_saw(name, kind):
    """The actions are those of the recomputed policy, and the critic's memory was carried on beside the actor's."""
    env = ENVS[kind]()
    agent = make_sac(env, make_small(name), carry_from="stored")
    rollout = collect(agent, env)
    rows, carry = rollout.rows, rollout.carries[:, 0]
    with torch.no_grad():
        policy = agent.network.policy(agent.network.actor.features(rows, carry), None)
        number = carry["noise_counter"].unsqueeze(-1) + torch.arange(30)
        keys = carry["noise_key"].unsqueeze(-1).expand_as(number)
        noise = stream_uniform(keys.flatten(), number.flatten(), agent.num_uniforms)
        again = policy.sample(noise.reshape(4, 30, -1))
    counts = ~rows["is_last"]
    torch.testing.assert_close(again[counts], rows["action"][counts], rtol=1e-4, atol=1e-4)
    of_critic = agent.network.critic
    _, critic = of_critic.core(of_critic.encoder(rows), carry["critic", "core"], rows["is_first"])
    for key, value in critic.items(True, True):
        torch.testing.assert_close(value, rollout.pending_carry["critic"]["core"][key], rtol=1e-4, atol=1e-4)
    agent.update(window(agent, env), 0)
    for memory in (agent.network.critic, agent.network.actor):
        gradients = [one.grad for one in memory.core.parameters()]
        assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None)
        assert not gradients or any(gradient is not None and gradient.any() for gradient in gradients)


def test_what_need_not_be_remembered_is_not():
    env = recall()
    assert "critic" in make_sac(env).initial_carry(2).keys()
    for options in ({"carry_from": "initial"}, {"network": {"separate_critic_core": False}}):
        agent = make_sac(env, **options)
        assert set(agent.initial_carry(2).keys()) == {"core", "noise_key", "noise_counter"}
        batch = window(agent, env)
        assert agent.update(batch, 0)["critic"] >= 0


@pytest.mark.parametrize("carry_from", ["stored", "initial"])
def test_three_memories_pass_over_a_window_once_behind_its_burn_in(carry_from):
    env = pendulum()
    agent = make_sac(env, carry_from=carry_from)
    batch, calls = window(agent, env), []
    memories = {"critic": agent.network.critic, "actor": agent.network.actor, "target": agent.target_critic}
    for name, memory in memories.items():

        def listen(rows, name=name, forward=memory.encoder.forward):
            calls.append((name, tuple(rows.batch_size), torch.is_grad_enabled()))
            return forward(rows)

        memory.encoder.forward = listen
    agent.update(batch, 0)
    learns = {"critic": True, "actor": True, "target": False}
    expected = [(name, size) for name in learns for size in ((4, 10, False), (4, 20, learns[name]))]
    assert sorted((name, (*size, grad)) for name, size, grad in calls) == sorted(expected)


def test_the_target_critic_follows_its_core_included():
    env = recall()
    agent = make_sac(env, target_update_rate=0.25, learning_rate=1e-2)
    before = [one.clone() for one in agent.target_critic.parameters()]
    agent.update(window(agent, env), 0)
    moved = 0
    pairs = zip(before, agent.network.critic.parameters(), agent.target_critic.parameters(), strict=True)
    for old, present, target in pairs:
        torch.testing.assert_close(target, old + 0.25 * (present - old))
        moved += not torch.equal(target, old)
    assert moved == len(before)
    assert any(name.startswith("core.") for name, _ in agent.target_critic.named_parameters())
    trained = [*agent.network.parameters(), *agent.temperature.parameters()]
    assert agent.sizes()["parameters"] == sum(one.numel() for one in trained)


def test_cores_may_learn_at_a_rate_of_their_own():
    env = recall()
    agent = make_sac(env, learning_rate=1e-3, core_learning_rate=1e-5, temperature_learning_rate=1e-2)
    rates = {group["name"]: group["lr"] for group in agent.optimizer.param_groups}
    assert rates == {
        "critic": 1e-3,
        "critic_core": 1e-5,
        "actor": 1e-3,
        "actor_core": 1e-5,
        "temperature": 1e-2,
    }
    cores = [agent.network.critic.core, agent.network.actor.core]
    grouped = [
        one for group in agent.optimizer.param_groups if "core" in group["name"] for one in group["params"]
    ]
    assert list(map(id, grouped)) == [id(one) for core in cores for one in core.parameters()]
    shared = make_sac(env, network={"separate_critic_core": False})
    assert "actor_core" not in {group["name"] for group in shared.optimizer.param_groups}


def test_deterministic_actions_are_the_mode():
    env = pendulum()
    agent = make_sac(env)
    row, carry = env.reset(0), agent.initial_carry(4)
    action, _, extras = agent.act(row, carry, deterministic=True)
    policy, _ = agent.network.step(row, carry)
    assert torch.equal(action, policy.mean.tanh()) and not extras.keys()
    assert not torch.equal(action, agent.act(row, carry)[0])
    discrete = make_sac(recall())
    row, carry = recall().reset(0), discrete.initial_carry(4)
    policy, _ = discrete.network.step(row, carry)
    assert torch.equal(discrete.act(row, carry, deterministic=True)[0], policy.log_probs.argmax(-1))


def test_random_actions_are_uniform_between_the_bounds():
    env = PositionOnlyPendulum(num_envs=2000)
    agent = make_sac(env)
    act = RandomActions(agent.act, env.single_action_space, 0, agent.acts_in_bounds).act_from(0)
    action, carry, _ = act(env.reset(0), agent.initial_carry(2000))
    assert action.shape == (2000, 1) and action.abs().max() <= 1
    quarters = torch.histc(action, 4, -1, 1) / 2000
    torch.testing.assert_close(quarters, torch.full((4,), 0.25), rtol=0, atol=5 * 0.5 / math.sqrt(2000))
    assert "critic" in carry.keys()


def test_forbidden_actions_are_never_taken_at_random_or_by_the_policy():
    env = envs.GymnasiumEnv("Taxi-v4", num_envs=3)
    agent = make_sac(env)
    random = RandomActions(agent.act, env.single_action_space, 0, agent.acts_in_bounds).act_from(0)
    for act in (random, agent.act):
        driver = envs.Driver(env, 30)
        driver.start(0, agent.initial_carry(3))
        rows = driver.collect(act, 30).rows
        allowed = rows["action_mask"].gather(-1, rows["action"].unsqueeze(-1)).squeeze(-1)
        assert allowed[~rows["is_last"]].all() and not rows["action_mask"].all()
    assert agent.update(window(agent, env), 0)["entropy"] > 0


class Mixed(envs.RecallFirst):
    """Shows what `RecallFirst` shows, and numbers far from 0 beside it."""

    def __init__(self, num_envs):
        super().__init__(num_envs, delay=5)
        self.single_observation_space = spaces.Dict(
            {"cue": self.single_observation_space, "number": spaces.Box(0, 1000, (2,))}
        )

    def observe(self, task, time):
        cue = super().observe(task, time)
        number = torch.stack([500 + time, 900 - time], dim=-1).float()
        return TensorDict({"cue": cue, "number": number}, batch_size=[len(cue)])


def test_observations_are_normalised_and_the_target_critic_follows(tmp_path):
    env = Mixed(4)
    options = {"prefill": 150, "capacity_bytes": 200_000, "store_carry_every": 10}
    agent = make_sac(env, encoder={"normalize": True}, replay=options)
    driver = envs.Driver(env, agent.carry_every)
    driver.start(0, agent.initial_carry(4))
    agent.open_files(tmp_path, driver.row, is_new=True)
    for _ in range(3):
        metrics = agent.learn(driver.collect(agent.own_policy, 30), driver.env_steps)
    assert metrics and agent.num_updates > 0
    networks = agent.network.critic, agent.network.actor, agent.target_critic
    for network in networks:
        (normalizer,) = [part for part in network.encoder.observation.normalizers if hasattr(part, "mean")]
        assert normalizer.count == 4 * 90 and normalizer.mean[0] == pytest.approx(503, abs=1)


def test_images_are_read():
    env = ColourRecall(num_envs=4, delay=5)
    agent = make_sac(env, encoder={"image_depth": 2, "image_features": 8})
    batch = window(agent, env)
    assert batch.rows["obs"].dtype == torch.uint8
    before = agent.update(batch, 0)["critic"]
    batch.rows["obs"][:, 10:] = 255 - batch.rows["obs"][:, 10:]
    assert agent.update(batch, 0)["critic"] != pytest.approx(before, rel=1e-3)


@pytest.mark.parametrize("kind", ENVS)
def test_bfloat16_is_near_float32(kind):
    env = ENVS[kind]()
    single, half = (make_sac(env, precision=precision) for precision in ("float32", "bfloat16"))
    batch = window(single, env)
    metrics, rounded = (agent.update(batch, 0) for agent in (single, half))
    assert metrics["critic"] != rounded["critic"] == pytest.approx(metrics["critic"], rel=0.1)
    assert {one.dtype for one in half.network.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    "space",
    [
        spaces.MultiDiscrete([2, 3]),
        spaces.Box(0, float("inf"), (1,)),
        spaces.Box(torch.tensor([-1.0, -float("inf")]).numpy(), torch.ones(2).numpy()),
        spaces.Box(-3.4028234663852886e38, 3.4028234663852886e38, (1,)),
    ],
)
def test_spaces_that_it_cannot_act_in(space):
    env = recall()
    env.single_action_space = space
    with pytest.raises(
        ValueError, match=r"Discrete space, or in a Box whose bounds are all finite, .* but got"
    ):
        make_sac(env)
