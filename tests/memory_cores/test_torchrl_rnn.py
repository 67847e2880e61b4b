"""Every core where TorchRL's own tests put its LSTMModule and GRUModule: modes, vmap, vectors, collectors, slices."""

import threading

import core_cases
import pytest
import torch
from core_cases import NAMES, make
from tensordict import TensorDict, pad
from tensordict.nn import ProbabilisticTensorDictModule as Probabilistic
from tensordict.nn import ProbabilisticTensorDictSequential as ProbabilisticSequential
from tensordict.nn import TensorDictModule, TensorDictSequential
from torch import nn
from torchrl.collectors import Collector
from torchrl.data import LazyTensorStorage, ReplayBuffer, SliceSampler
from torchrl.envs import Compose, GymEnv, InitTracker, ParallelEnv, SerialEnv, StepCounter, TransformedEnv
from torchrl.envs.utils import step_mdp
from torchrl.modules import OneHotCategorical, set_recurrent_mode
from torchrl.modules.utils import get_env_transforms_from_module, get_primers_from_module

from engram.memory_cores.torchrl_module import CoreModule

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(params=NAMES)
def memory(request, monkeypatch):
    monkeypatch.setattr(core_cases, "INPUT_SIZE", 4)  # CartPole's
    return CoreModule(make(request.param, torch.float32))


def rows(*batch):
    """Rows that each begin an episode."""
    torch.manual_seed(0)
    flags = torch.ones(*batch, 1, dtype=torch.bool)
    seen = torch.randn(2, *batch, 4)
    # An environment always has something under "next"; a core without memory writes nothing there.
    return TensorDict({"observation": seen[0], "is_init": flags, "next": {"observation": seen[1]}}, batch)


def sequences(*batch, resets=()):
    """Rows [..., T] of which the first begins an episode, and those at the times given."""
    data = rows(*batch)
    data["is_init"][..., 1:, :] = False
    for time in resets:
        data["is_init"][..., time, :] = True
    return data


@pytest.mark.parametrize("shape", [(), (2,), (2, 3), (2, 3, 4)])
def test_one_step_then_another(memory, shape):
    before = memory(rows(*shape))
    after = memory(step_mdp(before, keep_other=True).set("is_init", torch.zeros(*shape, 1, dtype=torch.bool)))
    assert after.batch_size == shape and after["memory"].shape == (*shape, memory.core.output_size)
    if memory.core.carry_keys:
        assert (after["next", "memory_carry"] != before["next", "memory_carry"]).any()


@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
@pytest.mark.parametrize("resets", [(), (13,)])
def test_steps_one_by_one_end_where_the_sequence_ends(memory, shape, resets):
    data = sequences(*shape, 20, resets=resets)
    with set_recurrent_mode(True):
        whole = memory(data.clone())
    row = data[..., 0].clone()
    for time in range(20):
        row["observation"], row["is_init"] = (data[key][..., time, :] for key in ("observation", "is_init"))
        row = step_mdp(memory(row.set(("next", "done"), row["is_init"])), keep_other=True)
    torch.testing.assert_close(row["memory"], whole["memory"][..., -1, :], **CLOSE)
    if memory.core.carry_keys:
        last = whole["next", "memory_carry"][..., -1]
        torch.testing.assert_close(row["memory_carry"].to_tensordict(), last.to_tensordict(), **CLOSE)


def test_the_carry_where_an_episode_ends_is_the_one_after_it(memory):
    if not memory.core.carry_keys:
        pytest.skip("no memory")
    data = sequences(1, 5, resets=(3,))
    with set_recurrent_mode(True), torch.no_grad():
        both, *parts = (memory(part.clone()) for part in (data, data[:, :3], data[:, 3:]))
    for time, part in zip((2, 4), parts, strict=True):
        carry = (found["next", "memory_carry"][:, at] for found, at in ((both, time), (part, -1)))
        torch.testing.assert_close(*carry, **CLOSE)


def test_padded_rows_that_are_not_contiguous(memory):
    data = rows(3)
    memory(data)
    padded = pad(data.select("observation", "is_init", "memory_carry", strict=False), [0, 5])
    padded["is_init"][3:] = True
    assert memory(padded)["memory"].shape == (8, memory.core.output_size)
    turned = sequences(5, 2).transpose(0, 1).clone().transpose(0, 1)
    with set_recurrent_mode(True):
        assert memory(turned)["memory"].shape == (5, 2, memory.core.output_size)


def test_the_mode_is_of_a_thread(memory):
    values = []
    with set_recurrent_mode(True):
        thread = threading.Thread(target=lambda: values.append(memory.recurrent_mode))
        thread.start()
        thread.join()
        assert memory.recurrent_mode
    assert values == [False]


def test_vmap_over_parameters(memory):
    embed = TensorDictModule(nn.Linear(4, 4), ["x"], ["observation"])
    head = TensorDictModule(nn.Linear(memory.core.output_size, 3), ["memory"], ["out"])
    model = TensorDictSequential(embed, memory, head)
    data = sequences(6, 11, resets=(4, 7)).rename_key_("observation", "x")
    parameters = TensorDict.from_module(model).expand(2)

    def call(data, parameters):
        with set_recurrent_mode(True), parameters.to_module(model):
            return model(data)["out"]

    outputs = torch.vmap(call, (None, 0))(data, parameters)
    with set_recurrent_mode(True):
        torch.testing.assert_close(outputs, model(data)["out"].expand(2, 6, 11, 3), **CLOSE)


def make_policy(memory):
    torch.manual_seed(0)
    policy = TensorDictModule(nn.Linear(memory.core.output_size, 2), ["memory"], ["logits"])
    draw = Probabilistic(["logits"], ["action"], distribution_class=OneHotCategorical)
    return ProbabilisticSequential(memory, policy, draw)


@pytest.mark.parametrize("kind", [SerialEnv, ParallelEnv])
@pytest.mark.parametrize("within", [True, False])
def test_vectors_of_environments(memory, kind, within):
    """The transforms may be inside each environment or around all: the memory goes on between the steps."""
    if kind is ParallelEnv and type(memory.core).__name__ not in ("GRU", "S5"):
        pytest.skip("two cores stand for all: a vector of processes takes seconds each")

    def one():
        env = GymEnv("CartPole-v1")
        return TransformedEnv(env, get_env_transforms_from_module(memory)) if within else env

    env = kind(2, one, **({"mp_start_method": "fork"} if kind is ParallelEnv else {}))
    if not within:
        env = TransformedEnv(env, get_env_transforms_from_module(memory))
    env.set_seed(0)
    torch.manual_seed(0)
    with torch.no_grad():
        data = env.rollout(20, make_policy(memory), break_when_any_done=False)
        env.close()
        with set_recurrent_mode(True):
            again = memory(data.exclude("memory"))
    torch.testing.assert_close(again["memory"], data["memory"], **CLOSE)


def test_transforms_are_found_in_a_module(memory):
    transforms = get_env_transforms_from_module(make_policy(memory))
    assert isinstance(transforms, Compose) and isinstance(transforms[0], InitTracker)
    primers = get_primers_from_module(memory).primers
    assert ("memory_carry" in primers.keys()) == bool(memory.core.carry_keys)


def test_a_collector_adds_the_transforms_itself(memory):
    collector = Collector(
        GymEnv("CartPole-v1"),
        make_policy(memory),
        frames_per_batch=8,
        total_frames=8,
        auto_register_policy_transforms=True,
    )
    try:
        (data,) = (batch.clone() for batch in collector)
    finally:
        collector.shutdown()
    assert "is_init" in data.keys() and ("memory_carry" in data.keys()) == bool(memory.core.carry_keys)


def test_collected_episodes_drawn_as_slices_remember_nothing_of_each_other(memory):
    """Collector, replay buffer, SliceSampler, recurrent mode; noise in stored carries must not matter."""
    env = TransformedEnv(GymEnv("CartPole-v1"), get_env_transforms_from_module(memory))
    env.append_transform(StepCounter(max_steps=5))
    collector = Collector(env, make_policy(memory), frames_per_batch=40, total_frames=40)
    try:
        (data,) = (batch.clone() for batch in collector)
    finally:
        collector.shutdown()
    assert data["is_init"].sum() >= 8 and data["is_init"][0]
    buffer = ReplayBuffer(
        storage=LazyTensorStorage(40), sampler=SliceSampler(slice_len=5, end_key=("next", "done"))
    )
    buffer.extend(data)
    drawn = buffer.sample(20).reshape(4, 5)
    assert drawn["is_init"][:, 0].all() and not drawn["is_init"][:, 1:].any()
    with set_recurrent_mode(True), torch.no_grad():
        torch.testing.assert_close(memory(drawn.exclude("memory"))["memory"], drawn["memory"], **CLOSE)
        packed = drawn.reshape(1, 20).clone()
        if memory.core.carry_keys:
            packed["memory_carry"] = packed["memory_carry"].apply(
                lambda leaf: torch.randn_like(leaf) if leaf.is_floating_point() else leaf
            )
        again = memory(packed.exclude("memory"))["memory"]
    torch.testing.assert_close(again.reshape(4, 5, -1), drawn["memory"], **CLOSE)
