"""Every core inside TorchRL: primer, collector, advantages, a clipped PPO loss, and both of its modes."""

import copy
import importlib
import sys

import core_cases
import pytest
import torch
from core_cases import NAMES, is_number, leaves, make
from small_cores import ONE_OF_EACH_FAMILY
from tensordict import TensorDict
from tensordict.nn import ProbabilisticTensorDictModule as Probabilistic
from tensordict.nn import ProbabilisticTensorDictSequential as ProbabilisticSequential
from tensordict.nn import TensorDictModule, TensorDictSequential
from torch import nn
from torchrl.collectors import Collector
from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer
from torchrl.data.replay_buffers import SamplerWithoutReplacement
from torchrl.envs import BurnInTransform, GymEnv, InitTracker, SerialEnv, TransformedEnv
from torchrl.envs.utils import check_env_specs
from torchrl.modules import LSTMModule, OneHotCategorical, set_recurrent_mode
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

from engram.memory_cores import GRU
from engram.memory_cores.torchrl_module import CoreModule

NUM_ENVS, LENGTH = 2, 40
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
pytestmark = pytest.mark.filterwarnings("ignore")  # TorchRL announces its own changes


@pytest.fixture(params=ONE_OF_EACH_FAMILY)
def memory(request, monkeypatch):
    monkeypatch.setattr(core_cases, "INPUT_SIZE", 4)  # CartPole's
    return CoreModule(make(request.param, torch.float32))


def make_env(module):
    env = TransformedEnv(SerialEnv(NUM_ENVS, lambda: GymEnv("CartPole-v1")), InitTracker())
    env = env.append_transform(module.make_tensordict_primer())
    env.set_seed(0)
    return env


def make_heads(memory):
    torch.manual_seed(0)
    size = memory.core.output_size
    policy = TensorDictModule(nn.Linear(size, 2), ["memory"], ["logits"])
    draw = Probabilistic(["logits"], ["action"], distribution_class=OneHotCategorical, return_log_prob=True)
    value = TensorDictModule(nn.Linear(size, 1), ["memory"], ["state_value"])
    return ProbabilisticSequential(memory, policy, draw), TensorDictSequential(memory, value)


def collected(memory, actor, batches=1):
    collector = Collector(
        make_env(memory), actor, frames_per_batch=NUM_ENVS * LENGTH, total_frames=batches * NUM_ENVS * LENGTH
    )
    try:
        yield from (data.clone() for data in collector)
    finally:
        collector.shutdown()


@torch.no_grad()
def add_advantages(data, critic):
    """Values in sequential mode, every row with the carry it was collected with, then GAE over them."""
    critic(data)
    data["next", "state_value"] = critic(data["next"].copy())["state_value"]
    GAE(gamma=0.99, lmbda=0.95, value_network=None)(data)


def test_training(memory):
    """Collect, check that both modes agree on what was collected, learn, again."""
    actor, critic = make_heads(memory)
    loss_module = ClipPPOLoss(actor, critic)
    optimizer = torch.optim.Adam(loss_module.parameters(), lr=1e-2)
    before, resets = copy.deepcopy(memory.state_dict()), 0
    for data in collected(memory, actor, batches=3):
        assert data.batch_size == (NUM_ENVS, LENGTH)
        resets += data["is_init"][:, 1:].sum()
        with torch.no_grad(), set_recurrent_mode("recurrent"):
            again = memory(data.exclude("memory"))["memory"]
        torch.testing.assert_close(again, data["memory"], **CLOSE)
        add_advantages(data, critic)
        losses = loss_module(data)
        total = sum(losses[f"loss_{name}"] for name in ("objective", "critic", "entropy"))
        assert torch.isfinite(total)
        optimizer.zero_grad()
        total.backward()
        for name, parameter in memory.core.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
        optimizer.step()
    assert resets > 3
    assert all(not torch.equal(value, before[name]) for name, value in memory.state_dict().items())


def test_the_environment_knows_the_carry(memory):
    env = make_env(memory)
    check_env_specs(env)
    row = env.reset()
    initial = memory.core.initial_carry(NUM_ENVS)
    for key, leaf in leaves(initial).items():
        stored = row["memory_carry", *(key if isinstance(key, tuple) else (key,))]
        assert stored.dtype == leaf.dtype.to_real()
        assert stored.shape == (*leaf.shape, 2) if leaf.is_complex() else leaf.shape


def test_advantages_bootstrap_from_each_rows_own_carry(memory):
    """An episode's last observation is seen after its own episode, and no other row is."""
    actor, critic = make_heads(memory)
    (data,) = collected(memory, actor)
    add_advantages(data, critic)
    goes_on = ~data["next", "done"][:, :-1]
    following = data["next", "state_value"][:, :-1][goes_on]
    torch.testing.assert_close(following, data["state_value"][:, 1:][goes_on], **CLOSE)
    env, t = (index[0].item() for index in data["next", "done"][..., 0].nonzero(as_tuple=True))
    begin = data["is_init"][env, : t + 1, 0].nonzero().max().item()
    x = torch.cat([data["observation"][env, begin : t + 1], data["next", "observation"][env, t : t + 1]])
    is_first = torch.arange(len(x)).unsqueeze(0) == 0
    y, _ = memory.core(x.unsqueeze(0), memory.core.initial_carry(1), is_first)
    torch.testing.assert_close(data["next", "state_value"][env, t], critic[1].module(y)[0, -1], **CLOSE)


@pytest.mark.parametrize("deactivate_vmap", [True, False])
def test_the_losss_own_advantages(memory, deactivate_vmap):
    """The loss calls its critic with plain tensors in the place of parameters, by default under vmap."""
    actor, critic = make_heads(memory)
    (data,) = collected(memory, actor)
    loss_module = ClipPPOLoss(actor, critic)
    loss_module.make_value_estimator(deactivate_vmap=deactivate_vmap)
    assert torch.isfinite(loss_module(data)["loss_critic"])


def random_data(memory, *batch):
    """Rows in the middle of episodes, some of which begin one, each with the carry of an episode's beginning."""
    torch.manual_seed(1)
    data = TensorDict({"observation": torch.randn(*batch, memory.core.input_size)}, batch_size=batch)
    begun = memory(data.copy().set("is_init", torch.ones(*batch, 1, dtype=torch.bool)))
    if begun.get("next", None) is not None:
        data["memory_carry"] = begun["next", "memory_carry"].detach()
    return data.set("is_init", torch.rand(*batch, 1) < 0.3)


def step_by_step(memory, data):
    """The sequential mode on rows [..., T] one after the other, each with the carry the one before left."""
    rows, time = [], len(data.batch_size) - 1
    for t in range(data.batch_size[-1]):
        row = data[..., t].copy()
        if rows and rows[-1].get("next", None) is not None:
            row["memory_carry"] = rows[-1]["next", "memory_carry"]
        rows.append(memory(row))
    return torch.stack(rows, time)


@pytest.mark.parametrize("batch", [(), (5,), (2, 5), (3, 2, 5)])
def test_any_batch_size(memory, batch):
    core = memory.core
    data = random_data(memory, *batch)
    out = memory(data.clone())
    rows, flags = data["observation"].reshape(-1, core.input_size), data["is_init"].reshape(-1)
    if core.carry_keys:
        before = memory._read_carry(data, data["is_init"].squeeze(-1))
    else:
        before = core.initial_carry(len(rows))
    y, _ = core.step(rows, before, flags)
    torch.testing.assert_close(out["memory"], y.reshape(*batch, -1))
    assert out.select(*memory.out_keys).batch_size == batch
    with set_recurrent_mode("recurrent"):
        if not batch:
            with pytest.raises(ValueError, match="needs a last batch dimension for time"):
                memory(data)
            return
        out = memory(data.clone()).select(*memory.out_keys)
    expected = step_by_step(memory, data).select(*memory.out_keys)
    torch.testing.assert_close(out, expected, **CLOSE)


def test_burn_in_leaves_the_carry_after_the_rows_it_takes(memory):
    """TorchRL's transform runs the module on the first rows and gives the first that is left their carry."""
    if not memory.core.carry_keys:
        pytest.skip("no memory")
    memory.default_recurrent_mode = True
    data = random_data(memory, 2, 5).set(("next", "done"), torch.zeros(2, 5, 1, dtype=torch.bool))
    with set_recurrent_mode("sequential"):
        expected = step_by_step(memory, data[:, :2])["next", "memory_carry"][:, -1]
    buffer = TensorDictReplayBuffer(
        storage=LazyTensorStorage(2), batch_size=2, sampler=SamplerWithoutReplacement()
    )
    buffer.append_transform(BurnInTransform(memory, burn_in=2))
    buffer.extend(data.detach())
    sampled = buffer.sample()
    assert sampled.batch_size == (2, 3)
    order = [
        int((data["observation"][:, 2] == row).all(-1).nonzero()) for row in sampled["observation"][:, 0]
    ]
    torch.testing.assert_close(sampled["memory_carry"][:, 0], expected[order].detach(), **CLOSE)
    torch.testing.assert_close(sampled["memory_carry"][:, 1:], data["memory_carry"][order][:, 3:].detach())


def test_a_row_without_a_carry_must_begin_an_episode(memory):
    if not memory.core.carry_keys:
        pytest.skip("no memory")
    data = random_data(memory, 2, 5).exclude("memory_carry")
    data["is_init"][:] = False
    sentence = r"neither .*'memory_carry'.* nor 'is_init'; add make_tensordict_primer\(\) and InitTracker\(\)"
    for mode in ("sequential", "recurrent"):
        data["is_init"][:, 1:] = mode == "recurrent"
        with set_recurrent_mode(mode), pytest.raises(ValueError, match=sentence):
            memory(data.clone())
    data["is_init"][:, 0] = True
    with set_recurrent_mode("recurrent"):
        assert memory(data)["memory"].shape == (2, 5, memory.core.output_size)


def test_keywords_in_the_place_of_a_tensordict(memory):
    """As TorchRL's own modules are called: values by their keys, joined by "_" where nested."""
    data = random_data(memory, 2, 5)
    given = {"_".join(key): data[key] for key in memory._carry_in}
    for mode in ("sequential", "recurrent"):
        with set_recurrent_mode(mode):
            outputs = memory(observation=data["observation"], is_init=data["is_init"], **given)
            expected = memory(data.copy())
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        assert len(outputs) == len(memory.out_keys) == 1 + len(given)
        for key, output in zip(memory.out_keys, outputs, strict=True):
            torch.testing.assert_close(output, expected[key])


@pytest.mark.parametrize("memory", NAMES, indirect=True)
def test_gradients_reach_the_parameters_and_the_first_carry(memory):
    core = memory.core
    if not core.carry_keys:
        pytest.skip("no memory")
    data = random_data(memory, 2, 5)
    data["is_init"][:, 0] = False
    numbers = [leaf.requires_grad_() for leaf in leaves(data["memory_carry"]).values() if is_number(leaf)]
    with set_recurrent_mode("recurrent"):
        memory(data)["memory"].square().sum().backward()
    assert all(parameter.grad is not None for parameter in core.parameters())
    # A part of a carry may have none, such as a norm that is at its bound.
    assert not numbers or any(number.grad[:, 0].abs().sum() > 0 for number in numbers)
    assert all(number.grad[:, 1:].abs().sum() == 0 for number in numbers)


def test_equals_the_library_module_on_collected_data(monkeypatch):
    monkeypatch.setattr(core_cases, "INPUT_SIZE", 4)
    memory = CoreModule(make("lstm", torch.float32))
    theirs = LSTMModule(
        input_size=4,
        hidden_size=memory.core.hidden_size,
        in_keys=["observation", "rs_h", "rs_c"],
        out_keys=["theirs", ("next", "rs_h"), ("next", "rs_c")],
    )
    theirs.lstm.load_state_dict(memory.core.state_dict())
    actor, _ = make_heads(memory)
    (data,) = collected(memory, actor)
    # It begins episodes with the states stored in the data, so these must be zeros.
    data["rs_h"] = data["rs_c"] = torch.zeros(NUM_ENVS, LENGTH, 1, memory.core.hidden_size)
    data["is_init"][:, 0] = True
    with set_recurrent_mode("recurrent"), torch.no_grad():
        torch.testing.assert_close(memory(data)["memory"], theirs(data)["theirs"], **CLOSE)


def test_own_keys():
    core = make("gru", torch.float32)
    module = CoreModule(core, "x", ("deep", "y"), "carry", "begins", default_recurrent_mode=True)
    data = random_data(CoreModule(core), 2, 5).exclude("memory_carry")
    data["is_init"][:, 0] = True
    data = data.rename_key_("observation", "x").rename_key_("is_init", "begins")
    y, _ = core(data["x"], core.initial_carry(2), data["begins"].squeeze(-1))
    torch.testing.assert_close(module(data)["deep", "y"], y)
    assert module.in_keys == ["x", "begins", ("carry", "hidden")]
    assert module.out_keys == [("deep", "y"), ("next", "carry", "hidden")]
    assert module.canonicalize(data.transpose(0, 1))["x"].is_contiguous()


@pytest.mark.parametrize("default", [False, True, None])
def test_the_mode_is_the_contexts_or_the_default(default):
    module = CoreModule(make("gru", torch.float32), default_recurrent_mode=default)
    assert module.recurrent_mode is bool(default)
    with set_recurrent_mode("recurrent"):
        assert module.recurrent_mode is True
        with set_recurrent_mode(False):
            assert module.recurrent_mode is False
            with set_recurrent_mode(None):
                assert module.recurrent_mode is bool(default)
        assert module.recurrent_mode is True
    assert module.recurrent_mode is bool(default)


def test_carries_that_are_not_selected_are_not_written():
    module = CoreModule(make("gru", torch.float32), default_recurrent_mode=True)
    data = random_data(module, 2, 5)
    whole = module(data.copy())
    alone = module.select_out_keys("memory")(data.copy())
    assert "next" not in alone.keys()
    torch.testing.assert_close(alone["memory"], whole["memory"], **CLOSE)


def test_rows_of_one_number_keep_their_dimension():
    core = GRU(input_size=1, hidden_size=3)
    x, flags = torch.randn(2, 5, 1), torch.ones(2, 5, 1, dtype=torch.bool)
    y, hidden = CoreModule(core, default_recurrent_mode=True)(observation=x, is_init=flags)
    assert y.shape == hidden.shape == (2, 5, 3)


def test_missing_keys_and_other_shapes_get_a_sentence():
    module = CoreModule(make("gru", torch.float32))
    data = random_data(module, 2, 5)
    for key in ("observation", "is_init"):
        with pytest.raises(ValueError, match=f"got none at '{key}'; .* InitTracker"):
            module(data.exclude(key))
    data.batch_size = [2]
    with pytest.raises(
        ValueError, match=r"got shapes \[2, 5, 5\] and \[2, 5, 1\] in a TensorDict of batch size \[2\]"
    ):
        module(data)


def test_an_environment_without_the_primer_is_noticed(monkeypatch):
    monkeypatch.setattr(core_cases, "INPUT_SIZE", 4)
    actor, _ = make_heads(CoreModule(make("gru", torch.float32)))
    env = TransformedEnv(GymEnv("CartPole-v1"), InitTracker())
    with pytest.raises(ValueError, match="add make_tensordict_primer"):
        env.rollout(3, actor)


def test_without_torchrl_one_sentence(monkeypatch):
    for name in list(sys.modules):
        if name.split(".")[0] == "torchrl":
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "engram.memory_cores.torchrl_module")
    with pytest.raises(ImportError, match=r'install it with pip install -e "\.\[torchrl\]"'):
        importlib.import_module("engram.memory_cores.torchrl_module")
