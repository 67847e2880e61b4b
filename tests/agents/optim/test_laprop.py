"""LaProp: one parameter by hand, and TorchRL's optimiser as oracle."""

import pytest
import torch

from engram.agents.optim.laprop import LaProp


def test_two_steps_by_hand():
    """p = 1, clip 0.3: gradients 3 and 0.1 become 0.3 and 0.1."""
    parameter = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = LaProp([parameter], lr=0.1, clip=0.3)
    parameter.grad = torch.tensor([3.0])
    optimizer.step()
    assert parameter.item() == pytest.approx(0.9)  # a first step is of size lr
    parameter.grad = torch.tensor([0.1])
    optimizer.step()
    square = (0.999 * 0.001 * 0.09 + 0.001 * 0.01) / (1 - 0.999**2)
    momentum = (0.9 * 0.1 * 1.0 + 0.1 * 0.1 / square**0.5) / (1 - 0.9**2)
    assert parameter.item() == pytest.approx(0.9 - 0.1 * momentum, rel=1e-5)


def test_torchrl_agrees():
    dreamer_v3 = pytest.importorskip("torchrl.trainers.algorithms.dreamer_v3")
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(4, 3, generator=generator), torch.randn(5, generator=generator)]
    mine, theirs = ([torch.nn.Parameter(value.clone()) for value in start] for _ in range(2))
    ours = LaProp(mine, lr=1e-2)
    oracle = dreamer_v3.DreamerV3Optimizer(theirs, lr=1e-2, agc=0.3, warmup_steps=0)
    for _ in range(10):
        for a, b in zip(mine, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator) * 2
            b.grad = a.grad.clone()
        ours.step()
        oracle.step()
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.gpu
def test_counters_stay_in_host_memory():
    """A checkpoint is read to the device; a counter that stayed there would be waited for in every step."""
    parameter = torch.nn.Parameter(torch.ones(3, device="cuda"))
    optimizer = LaProp([parameter])
    parameter.grad = torch.ones(3, device="cuda")
    optimizer.step()
    state = optimizer.state_dict()
    state["state"][0]["step"] = state["state"][0]["step"].to("cuda")
    optimizer.load_state_dict(state)
    counter = optimizer.state[parameter]["step"]
    assert counter.device.type == "cpu" and counter.item() == 1
