"""Every core inside TorchRL: primer, collector, advantages, a clipped PPO loss, and both of its modes."""

import copy
import subprocess
import sys

import core_cases
import pytest
import torch
from core_cases import NAMES, is_number, leaves, make
from tensordict import TensorDict
from tensordict.nn import ProbabilisticTensorDictModule as Probabilistic
from tensordict.nn import ProbabilisticTensorDictSequential as ProbabilisticSequential
from tensordict.nn import TensorDictModule, TensorDictSequential
from torch import nn
from torchrl.collectors import Collector
from torchrl.envs import GymEnv, InitTracker, SerialEnv, TransformedEnv
from torchrl.envs.utils import check_env_specs
from torchrl.modules import LSTMModule, OneHotCategorical, set_recurrent_mode
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

from memory_cores.torchrl_module import CoreModule

NUM_ENVS, LENGTH = 2, 40
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
pytestmark = pytest.mark.filterwarnings("ignore")  # TorchRL announces its own changes


@pytest.fixture(params=NAMES)
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


def random_data(core, *batch):
    torch.manual_seed(1)
    data = TensorDict({"observation": torch.randn(*batch, core.input_size)}, batch_size=batch)
    return data.set("is_init", torch.rand(*batch, 1) < 0.3)


@pytest.mark.parametrize("batch", [(), (5,), (2, 5), (3, 2, 5)])
def test_any_batch_size(memory, batch):
    core = memory.core
    data = random_data(core, *batch)
    out = memory(data.clone())
    rows, flags = data["observation"].reshape(-1, core.input_size), data["is_init"].reshape(-1)
    y, carry = core.step(rows, core.initial_carry(len(rows)), flags)
    torch.testing.assert_close(out["memory"], y.reshape(*batch, -1))
    # What is written can be read as the next row's carry.
    following = data.clone()
    if leaves(carry):
        following["memory_carry"] = out["next", "memory_carry"]
        assert following["memory_carry"].batch_size == batch
    y, _ = core.step(rows, carry, flags)
    torch.testing.assert_close(memory(following.clone())["memory"], y.reshape(*batch, -1))
    with set_recurrent_mode("recurrent"):
        if not batch:
            with pytest.raises(ValueError, match="needs a last batch dimension for time"):
                memory(following)
            return
        out = memory(following.clone())
    first = carry.reshape(*batch)[..., 0].reshape(-1)
    y, _ = core(rows.reshape(-1, 5, core.input_size), first, flags.reshape(-1, 5))
    torch.testing.assert_close(out["memory"], y.reshape(*batch, -1), **CLOSE)
    assert "next" not in out


def test_gradients_reach_the_parameters_and_the_first_carry(memory):
    core = memory.core
    if not core.carry_keys:
        pytest.skip("no memory")
    data = random_data(core, 2, 5)
    data["is_init"][:, 0] = False
    with torch.no_grad():
        data["memory_carry"] = memory(data.clone())["next", "memory_carry"]
    numbers = [leaf.requires_grad_() for leaf in leaves(data["memory_carry"]).values() if is_number(leaf)]
    with set_recurrent_mode("recurrent"):
        memory(data)["memory"].square().sum().backward()
    assert all(parameter.grad is not None for parameter in core.parameters())
    for number in numbers:
        assert number.grad[:, 0].abs().sum() > 0 and number.grad[:, 1:].abs().sum() == 0


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


def test_default_mode_and_own_keys():
    core = make("gru", torch.float32)
    module = CoreModule(core, "x", ("deep", "y"), "carry", "begins", default_recurrent_mode=True)
    data = random_data(core, 2, 5).rename_key_("observation", "x").rename_key_("is_init", "begins")
    y, _ = core(data["x"], core.initial_carry(2), data["begins"].squeeze(-1))
    torch.testing.assert_close(module(data)["deep", "y"], y)
    assert module.in_keys == ["x", "begins", ("carry", "hidden")]
    assert module.out_keys == [("deep", "y"), ("next", "carry", "hidden")]
    with set_recurrent_mode("sequential"):
        assert ("next", "carry", "hidden") in module(data).keys(include_nested=True)


def test_missing_keys_get_a_sentence():
    core = make("gru", torch.float32)
    data = random_data(core, 2, 5)
    for key in ("observation", "is_init"):
        with pytest.raises(ValueError, match=f"got none at '{key}'; .* InitTracker"):
            CoreModule(core)(data.exclude(key))


def test_without_torchrl_one_sentence():
    code = "import sys; sys.modules['torchrl'] = None; import memory_cores, memory_cores.torchrl_module"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    assert 'install it with pip install "engram-rl[torchrl]"' in result.stderr.splitlines()[-1]
    code = "import sys, memory_cores; assert not [name for name in sys.modules if name.startswith('torchrl')]"
    subprocess.run([sys.executable, "-c", code], check=True)
