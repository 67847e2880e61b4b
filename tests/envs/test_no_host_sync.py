"""A rollout with its policy neither reads the device nor waits for it, shown without a device.

On torch's meta device tensors have shapes and no values: whatever needs a value on the host (`item`, `nonzero`, a
branch, a mask as an index) raises. Copies from host memory, at which CUDA would wait too, are caught as they come.
"""

import functools

import pytest
import torch
from native_ids import IDS, LARGE, MAKERS
from small_cores import NAMES, make_small
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from engram import envs
from engram.agents import PPO
from engram.envs.play import play

# Sizes differ in numbers alone, and the motion in a maze is many small operations.
MAZE = "engram/MemoryMaze-tiny-v0"
PLAYED = [
    pytest.param(id, marks=pytest.mark.slow if id.endswith(LARGE) or id == MAZE else ())
    for id in IDS
    if "MemoryMaze" not in id or id == MAZE
]
FROM_PYTHON = (torch.tensor, torch.as_tensor, torch.Tensor.new_tensor)
COPIES = (torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default)


class NoCopiesFromHost(TorchDispatchMode):
    """Raises where a tensor in host memory goes to the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and out.is_meta:
            tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
            if any(not tensor.is_meta and (tensor.ndim or func in COPIES) for tensor in tensors):
                raise AssertionError(f"{func} takes a tensor from host memory to the device")
        return out


class NoTensorsFromPython(TorchFunctionMode):
    """Raises where numbers of Python become a tensor of the device, which no dispatch shows."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func in FROM_PYTHON and out.is_meta and not isinstance(args[0], torch.Tensor):
            raise AssertionError(f"{func.__name__} takes numbers from host memory to the device")
        return out


@pytest.fixture
def meta_autocast(monkeypatch):
    """`torch.autocast` does not know the meta device; what runs under it is switched off anyway."""
    monkeypatch.setattr(
        torch, "autocast", lambda device, *dtype, **options: torch.amp.autocast("cpu", *dtype, **options)
    )
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)


def play_on_meta(id: str, make_core, **around) -> None:
    env = envs.wrappers.wrapped(MAKERS[id](num_envs=8, device="meta"), **around)
    agent = PPO(env.single_observation_space, env.single_action_space, make_core, seed=0, device="meta")
    row, carry = env.reset(3), agent.initial_carry(8)
    with NoCopiesFromHost(), NoTensorsFromPython(), torch.no_grad():
        played = play(env, functools.partial(agent.act, donate=True), row, carry, 3, 2)
    assert played.rows["action"].is_meta and played.rows.batch_size == (8, 3)


@pytest.mark.parametrize("id", PLAYED)
def test_no_environment_waits(id: str, meta_autocast) -> None:
    play_on_meta(id, make_small("gru"))


@pytest.mark.parametrize("id", ["engram/popgym-PositionOnlyPendulumEasy-v0", "engram/Bandit-v0"])
def test_nothing_around_a_native_waits(id: str, meta_autocast) -> None:
    action = 2 if "Pendulum" in id else "permuted"
    play_on_meta(id, make_small("gru"), trials=2, projection={"observation": 3, "action": action})


@pytest.mark.parametrize("name", ["MineSweeper", "Concentration", "Autoencode", "LabyrinthExplore"])
def test_no_observable_twin_waits(name: str, meta_autocast) -> None:
    play_on_meta(f"engram/popgym-{name}Easy-v0", make_small("gru"), observable=True)


@pytest.mark.parametrize("name", NAMES)
def test_no_core_waits(name: str, meta_autocast) -> None:
    play_on_meta("engram/RecallFirst-v0", make_small(name))


@pytest.mark.parametrize(
    "waits",
    [
        lambda x: x.sum().item(),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: bool(x.any()),
        lambda x: x + torch.tensor(1.0, device="meta"),
        lambda x: x + torch.ones(3).to("meta"),
        lambda x: x.index_copy(0, torch.tensor([1], device="meta"), x[:1]),
        lambda x: x.cpu().tolist(),
    ],
)
def test_the_check_notices(waits) -> None:
    with (
        NoCopiesFromHost(),
        NoTensorsFromPython(),
        pytest.raises((RuntimeError, NotImplementedError, AssertionError)),
    ):
        waits(torch.zeros(3, device="meta"))
