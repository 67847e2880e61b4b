"""Updates that are recorded, replayed by calling the function again: on a CPU there are no graphs."""

import warnings

import on_policy_cases
import pytest
import sac_cases
import torch
from ppo_cases import make_agent
from recorders import Again, assert_same_state, run_plainly
from small_cores import make_small
from tensordict import TensorDict

from engram import envs
from engram.agents.captured_update import CapturedUpdate

CPU = torch.device("cpu")


def test_every_call_counts_and_forms_are_apart():
    total, again = torch.zeros(()), Again()

    def add(x, rows, none):
        assert none is None
        total.add_(x.sum() + rows["a"].sum())
        return {"total": total * 1}

    update = CapturedUpdate(add, CPU)
    update.capture(again)
    expected = 0.0
    for number, size in enumerate((2, 2, 3, 2, 3, 3), start=1):
        x, rows = torch.full((size,), float(number)), TensorDict({"a": torch.ones(size)}, batch_size=[size])
        expected += size * (number + 1)
        assert update(x=x, rows=rows, none=None)["total"] == expected
    assert again.recorded == 2 and again.replayed == 4


def test_inputs_are_copied_unless_they_are_the_same_object():
    update = CapturedUpdate(lambda x, y: x + y, CPU)
    update.capture(Again())
    x, y = torch.ones(2), torch.ones(2)
    for _ in range(3):
        assert update(x=x, y=y.clone()).tolist() == [2.0, 2.0]
    x.fill_(5.0)  # which the caller must not do
    assert update(x=x, y=2 * y).tolist() == [3.0, 3.0]
    assert update(x=x.clone(), y=2 * y).tolist() == [7.0, 7.0]


def test_results_are_looked_at_before_the_second_part():
    value, again = torch.zeros(()), Again()
    update = CapturedUpdate(lambda x: value + x, CPU, finish=lambda: value.add_(1))
    update.capture(again)
    for number in range(4):
        assert update(x=torch.zeros(1)) == number
        assert value == number
        update.finish()
    assert again.recorded == 2
    update.forget()
    assert update(x=torch.zeros(1)) == 4 and again.recorded == 2


VARIANTS = {
    "gru": {},
    "s5": {"core": "s5", "normalize_advantage": "rollout", "value_clip_range": 0.2},
    "kl": {"kl_coef": 0.2, "kl_target": 1e-6, "bptt_length": 10},
    "muon": {"optimizer": "muon", "separate_critic_core": True},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_ppo_learns_the_same(variant):
    """Over five updates of two epochs, with three minibatches of two sizes, a falling rate and resets."""
    options = {"core": "gru", "num_minibatches": 3, "num_epochs": 2} | VARIANTS[variant]
    options |= {"learning_rate_schedule": "linear", "total_env_steps": 2000}
    core, again = options.pop("core"), Again()
    env = envs.RecallFirst(num_envs=5, delay=5)
    plain, captured = (make_agent(env, make_small(core), **options) for _ in range(2))
    run_plainly(plain)
    captured.capture_updates(again)
    driver = envs.Driver(env, plain.carry_every)
    driver.start(0, plain.initial_carry(5))
    for _ in range(5):
        steps = driver.env_steps
        rollout = driver.collect(plain.own_policy, 30)
        assert captured.update(rollout, steps) == plain.update(rollout, steps)
    assert_same_state(captured, plain)
    # Five preparations, and thirty minibatches of one size or two, of which the first of a form runs.
    assert again.recorded in (2, 3) and again.replayed == 5 + 5 * 6 - again.recorded


@pytest.mark.parametrize("kind", ["impala", "pqn"])
def test_other_agents_of_rollouts_learn_the_same(kind):
    env, again = envs.RecallFirst(num_envs=4, delay=5), Again()
    # The library's RAdam can be recorded on a device alone; see the tests on the pretended one.
    options = {"num_minibatches": 2, "learning_rate_schedule": "linear", "total_env_steps": 2000}
    plain, captured = (on_policy_cases.make(kind, env, optimizer="adam", **options) for _ in range(2))
    run_plainly(plain)
    captured.capture_updates(again)
    driver = envs.Driver(env, plain.carry_every)
    driver.start(0, plain.initial_carry(4))
    for _ in range(5):
        steps = driver.env_steps
        rollout = driver.collect(plain.policy(steps), 30)
        assert captured.update(rollout, steps) == plain.update(rollout, steps)
    assert_same_state(captured, plain)
    assert again.recorded == 1 and again.replayed == 9


@pytest.mark.parametrize("kind", sac_cases.ENVS)
@pytest.mark.parametrize("separate", [True, False])
def test_sac_learns_the_same(kind, separate):
    env, again = sac_cases.ENVS[kind](), Again()
    options = {"network": {"separate_critic_core": separate}, "max_temperature": 1.0001}
    plain, captured = (sac_cases.make_sac(env, **options) for _ in range(2))
    run_plainly(plain)
    captured.capture_updates(again)
    for _ in range(4):
        batch = sac_cases.window(plain, env)
        assert captured.update(batch, 0) == plain.update(batch, 0)
    assert_same_state(captured, plain)
    assert again.recorded == 2 and again.replayed == 2 * 3


def test_nothing_is_said_of_a_first_step_that_is_not_recorded_yet(recwarn):
    def step():
        warnings.warn("This instance was constructed with capturable=True or so", stacklevel=2)

    update = CapturedUpdate(lambda: torch.zeros(()), CPU, finish=step)
    update.capture(lambda function, device: lambda: None)
    update()
    update.finish()
    assert not recwarn


def test_a_state_passes_between_captured_and_plain():
    env = envs.RecallFirst(num_envs=5, delay=5)
    agents = [make_agent(env, num_minibatches=2) for _ in range(3)]
    driver = envs.Driver(env, 30)
    driver.start(0, agents[0].initial_carry(5))
    rollouts = [driver.collect(agents[0].own_policy, 30) for _ in range(3)]
    first, plain, second = agents
    first.capture_updates(Again())
    second.capture_updates(Again())
    for one, other in ((0, 1), (1, 0)):
        first.update(rollouts[one], 0)
        second.update(rollouts[other], 0)
    plain.load_state_dict(first.state_dict())
    second.load_state_dict(plain.state_dict())  # its recordings are of other moments
    expected = first.update(rollouts[2], 0)
    assert second.update(rollouts[2], 0) == expected
    for name, value in plain.update(rollouts[2], 0).items():
        assert value == pytest.approx(expected[name], rel=1e-3, abs=1e-5)
    assert_same_state(second, first)
