"""PPO on a CUDA device: the standing test, and learning that goes on from a CPU checkpoint."""

import pytest
import torch
from ppo_cases import collect, make_agent, recomputed_difference
from small_cores import NAMES, make_small

from engram import envs

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("name", NAMES)
def test_learning_recomputes_what_acting_saw(name):
    env = envs.RecallFirst(num_envs=5, delay=5, device="cuda")
    agent = make_agent(env, make_small(name), device="cuda")
    log_prob, value = recomputed_difference(agent, collect(agent, env))
    assert log_prob < 1e-4 and value < 1e-4


@pytest.mark.parametrize("name", ["popgym/position_only_pendulum_easy", "popgym/battleship_easy"])
def test_package_environments_feed_a_device(name):
    env = envs.make_env(name, num_envs=4, backend="package", device="cuda")
    agent = make_agent(env, device="cuda", encoder={"normalize": True})
    rollout = collect(agent, env)
    assert rollout.rows["reward"].is_cuda
    assert all(value == value for value in agent.update(rollout, 0).values())


def test_both_devices_act_alike():
    """The same seed gives the same parameters, episodes and noise, so the same actions."""
    rollouts = []
    for device in ("cpu", "cuda"):
        env = envs.RecallFirst(num_envs=8, delay=5, device=device)
        rollouts.append(collect(make_agent(env, device=device), env))
    cpu, cuda = rollouts
    assert torch.equal(cpu.rows["obs"], cuda.rows["obs"].cpu())
    same = (cpu.rows["action"] == cuda.rows["action"].cpu()).float().mean()
    # Rounding may move a sample across the border between two actions, rarely.
    assert same > 0.99


def test_a_cpu_checkpoint_goes_on_learning():
    cpu_env = envs.RecallFirst(num_envs=5, delay=5)
    agent = make_agent(cpu_env)
    agent.update(collect(agent, cpu_env), 0)
    env = envs.RecallFirst(num_envs=5, delay=5, device="cuda")
    twin = make_agent(env, device="cuda")
    state = agent.state_dict()
    state["optimizer"] = {
        key: {name: value.cuda() for name, value in values.items()}
        for key, values in state["optimizer"].items()
    }
    twin.load_state_dict(state)
    metrics = twin.update(collect(twin, env), 0)
    assert metrics["initial_log_prob_difference"] < 1e-4
