"""Precision of an agent's products: near float32, the same for acting and learning, and nobody else's affair."""

import pytest
import torch
from on_policy_cases import make
from ppo_cases import collect, make_agent, recomputed_difference
from small_cores import NAMES, ONE_OF_EACH_FAMILY, make_small
from torch.backends import cuda, cudnn

from engram import envs
from engram.agents.precision import Precision

# Half a unit in the last of bfloat16's 8 bits is 1/512 of a number; the log-probabilities here, of 1 to 4, come through
# several layers. A memory that leaks or is lost moves them by more.
BFLOAT16 = 0.15
CUDA = torch.device("cuda")


def flags():
    return cuda.matmul.fp32_precision, cudnn.conv.fp32_precision


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_learning_recomputes_in_bfloat16_what_acting_saw(name):
    env = envs.RecallFirst(num_envs=5, delay=5)
    agent = make_agent(env, make_small(name), precision="bfloat16")
    rollout = collect(agent, env)
    log_prob, value = recomputed_difference(agent, rollout)
    assert log_prob < BFLOAT16 and value < BFLOAT16
    assert rollout.rows["log_prob"].dtype == rollout.rows["value"].dtype == torch.float32
    single = make_agent(env, make_small(name))
    carries = single.initial_carry(5), rollout.pending_carry
    dtypes = [[value.dtype for value in carry.values(True, True)] for carry in carries]
    assert dtypes[0] == dtypes[1]
    assert agent.update(rollout, 0)["initial_log_prob_difference"] < BFLOAT16
    gradients = [parameter.grad for parameter in agent.network.parameters()]
    assert {gradient.dtype for gradient in gradients if gradient is not None} == {torch.float32}


@pytest.mark.parametrize("kind", ["a2c", "impala", "pqn"])
def test_other_agents_learn_in_bfloat16_nearly_what_they_do_in_float32(kind):
    env = envs.RecallFirst(num_envs=5, delay=5)
    single, half = (make(kind, env, precision=precision) for precision in ("float32", "bfloat16"))
    rollout = collect(half, env)
    floats = {key: value for key, value in rollout.rows.items() if value.is_floating_point()}
    assert {value.dtype for value in floats.values()} == {torch.float32}
    metrics = [agent.update(rollout, 0) for agent in (single, half)]
    (name,) = {"value", "q"} & metrics[0].keys()
    assert metrics[0][name] != metrics[1][name] == pytest.approx(metrics[0][name], rel=0.05)


def test_bfloat16_is_near_float32_and_is_not_it():
    env = envs.RecallFirst(num_envs=5, delay=5)
    single, half = (make_agent(env, precision=precision) for precision in ("float32", "bfloat16"))
    rollout = collect(single, env)
    differences = recomputed_difference(half, rollout)
    assert all(1e-5 < difference < BFLOAT16 for difference in differences)
    metrics = [agent.update(rollout, 0) for agent in (single, half)]
    assert metrics[1]["value"] == pytest.approx(metrics[0]["value"], rel=0.02)


@pytest.mark.parametrize("precision", ["tf32", "auto"])
def test_on_a_cpu_float32_is_what_others_are(precision):
    rollouts = []
    for name in ("float32", precision):
        env = envs.RecallFirst(num_envs=5, delay=5)
        agent = make_agent(env, make_small("s5"), precision=name)
        rollouts.append(collect(agent, env))
        agent.update(rollouts[-1], 0)
        rollouts.append(collect(agent, env, rollouts=1))
    for one, other in zip(rollouts[:2], rollouts[2:], strict=True):
        assert torch.equal(one.rows["log_prob"], other.rows["log_prob"])


@pytest.mark.parametrize(
    ("name", "rounding"),
    [("float32", "ieee"), ("tf32", "tf32"), ("bfloat16", "tf32"), ("auto", "tf32")],
)
def test_products_are_rounded_within_the_block_alone(name, rounding):
    before = flags()
    with pytest.raises(KeyError), Precision(name, CUDA).products():
        assert flags() == (rounding, rounding)
        raise KeyError
    assert flags() == before
    with Precision(name, torch.device("cpu")).products():
        assert flags() == before


def test_an_agent_acts_and_learns_within_it_and_its_backward_passes_too():
    env = envs.RecallFirst(num_envs=5, delay=5)
    agent = make_agent(env, precision="tf32")
    agent.precision = Precision("tf32", CUDA)
    seen, before = [], flags()
    agent.network.core.register_forward_hook(lambda *_: seen.append("learnt"))
    agent.network.policy_head[0].register_forward_hook(lambda *_: seen.append(flags()))
    agent.network.value_head[-1].weight.register_hook(lambda gradient: seen.append(flags()))
    rollout = collect(agent, env, rollouts=1)
    assert seen == [("tf32", "tf32")] * 30 and flags() == before
    agent.update(rollout, 0)
    # The pending row's value, then one minibatch forwards and backwards.
    assert seen[30:] == [("tf32", "tf32"), "learnt", ("tf32", "tf32"), ("tf32", "tf32")] and flags() == before


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("precision", "tolerance"), [("tf32", 0.02), ("bfloat16", BFLOAT16)])
def test_learning_recomputes_what_acting_saw_on_a_device(name, precision, tolerance):
    env = envs.RecallFirst(num_envs=5, delay=5, device="cuda")
    agent = make_agent(env, make_small(name), device="cuda", precision=precision)
    rollout = collect(agent, env)
    log_prob, value = recomputed_difference(agent, rollout)
    assert log_prob < tolerance and value < tolerance
    assert agent.update(rollout, 0)["initial_log_prob_difference"] < tolerance
