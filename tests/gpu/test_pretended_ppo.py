"""PPO with every core on the pretended device: nothing waits but what is listed, nothing at all in a recording."""

from functools import partial

import pytest
import torch
from ppo_cases import make_agent
from small_cores import NAMES, make_small
from waits import PPO_UPDATE, ROLLOUT, check_waits

from engram import envs
from engram.envs.captured import CapturedPlay
from engram.envs.memory_maze.maze import MemoryMaze
from engram.memory_cores import GRU

pytestmark = pytest.mark.gpu
LENGTH = 8


def make_ppo(env, core, **options):
    return make_agent(env, core, device="cuda", rollout_length=LENGTH, num_minibatches=2, **options)


def check_learning(machine, env, agent):
    """Two iterations, the second counted: the first makes what is made lazily. Then a rollout recorded."""
    driver, act = envs.Driver(env, agent.carry_every), partial(agent.act, donate=True)
    driver.start(0, agent.initial_carry(env.num_envs))
    agent.update(driver.collect(act, LENGTH), 0)
    machine.reset()
    rollout = driver.collect(act, LENGTH)
    check_waits(machine, ROLLOUT)
    metrics = agent.update(rollout, 0)
    check_waits(machine, PPO_UPDATE)
    assert metrics["initial_log_prob_difference"] < 1e-4
    return driver


def check_recording(machine, env, agent, driver):
    """The pretended device raises at a wait inside of a recording; replayed twice, it goes on like the plain loop."""
    act = partial(agent.act, donate=True)
    captured = CapturedPlay(env, act, 4, 4)
    row, carry = driver.row, agent.initial_carry(env.num_envs)
    with torch.no_grad():
        first = captured(row, carry)
        machine.reset()
        second = captured(first.pending, first.pending_carry)
    assert not machine.events
    assert torch.equal(second.rows["is_first"][:, 0].cpu(), first.pending["is_first"].cpu())


@pytest.mark.parametrize("core", NAMES)
def test_a_core(core, machine):
    env = envs.make_env("popgym/repeat_previous_easy", 4, device="cuda")
    agent = make_ppo(env, make_small(core))
    driver = check_learning(machine, env, agent)
    check_recording(machine, env, agent, driver)
    machine.reset()
    result = envs.evaluate(env, partial(agent.act, deterministic=True), agent.initial_carry(4), 4, 3)
    per_row = 4 * len(range(max(result.lengths) + 1))
    assert sum(count for (kind, _), count in machine.events.items() if kind == "D2H") <= per_row
    agent.load_state_dict(agent.state_dict())
    agent.update(driver.collect(agent.act, LENGTH), 0)


MAZE = partial(MemoryMaze, size="9x9", device="cuda", num_layouts=4, procedural_textures=True)
POPGYM = partial(envs.make_env, num_envs=4, device="cuda")
VARIANTS = {
    "maze": (MAZE, {"encoder": {"image_dtype": "auto"}}),
    "maze_global": (partial(MAZE, global_observables=True), {}),
    "maze_box": (partial(MAZE, discrete_actions=False), {}),
    "maze_impala": (MAZE, {"encoder": {"image_encoder": "impala", "image_norm": "layer"}}),
    "normalized": (
        partial(POPGYM, "popgym/position_only_pendulum_easy"),
        {
            "encoder": {"normalize": True},
            "kl_coef": 0.2,
            "normalize_advantage": "rollout",
            "bptt_length": 4,
            "value_clip_range": 0.2,
        },
    ),
    "separate_critic": (
        partial(POPGYM, "popgym/battleship_easy"),
        {"separate_critic_core": True, "shortcut": True},
    ),
    "muon": (partial(POPGYM, "popgym/battleship_easy"), {"optimizer": "muon"}),
    "labyrinth": (partial(POPGYM, "popgym/labyrinth_escape_hard"), {}),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant(name, machine):
    make, options = VARIANTS[name]
    env = make() if "make_env" in str(make) else make(num_envs=2)
    agent = make_ppo(env, partial(GRU, hidden_size=8), **options)
    driver = check_learning(machine, env, agent)
    check_recording(machine, env, agent, driver)
