"""The pretended device refuses what CUDA refuses, counts what it does, and computes what the CPU does."""

import pytest
import torch

pytestmark = pytest.mark.gpu


def test_tensors_of_two_devices_are_refused(machine):
    x = torch.ones(3, device="cuda")
    with pytest.raises(RuntimeError, match="at least two devices, cuda:0 and cpu: add"):
        x + torch.ones(3)
    assert torch.equal((x + torch.tensor(1.0)).cpu(), torch.full((3,), 2.0))  # without dimensions it may be


WAITS = {
    "SYNC _local_scalar_dense": lambda x: x.sum().item(),
    "SYNC nonzero": lambda x: x.nonzero(),
    "SYNC index by a mask": lambda x: x[x > 0],
    "SYNC tolist": lambda x: x.tolist(),
    "D2H": lambda x: x.cpu(),
    "H2D": lambda x: x * torch.tensor([1.0, 2.0, 3.0], device="cuda"),
}


@pytest.mark.parametrize("kind", WAITS)
def test_a_wait_is_counted_and_refused_where_cuda_refuses_it(kind, machine):
    x = torch.ones(3, device="cuda")
    WAITS[kind](x)
    assert kind in {found for found, _ in machine.events}
    torch.cuda.set_sync_debug_mode("error")
    with pytest.raises(RuntimeError, match="called a synchronizing CUDA operation"):
        WAITS[kind](x)
    torch.cuda.set_sync_debug_mode("default")
    with (
        pytest.raises(RuntimeError, match="not permitted when stream is capturing"),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        WAITS[kind](x)


def test_a_copy_from_pinned_memory_waits_for_nothing(machine):
    torch.cuda.set_sync_debug_mode("error")
    x = torch.ones(3).pin_memory().to("cuda", non_blocking=True)
    torch.cuda.set_sync_debug_mode("default")
    assert x.is_cuda and {kind for kind, _ in machine.events} == {"H2D pinned"}


def test_a_graph_reads_and_writes_where_it_was_recorded(machine):
    x = torch.ones(3, device="cuda")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        doubled = (x * 2).cumsum(0)
        x.add_(1)
    assert torch.equal(x.cpu(), torch.ones(3))  # recording runs nothing
    for times in (1.0, 2.0):
        graph.replay()
        assert torch.equal(doubled.cpu(), times * torch.tensor([2.0, 4.0, 6.0]))
        assert torch.equal(x.cpu(), torch.full((3,), times + 1))


@pytest.mark.parametrize("make", [torch.nn.LSTMCell, torch.nn.GRUCell])
def test_fused_cells_have_the_values_and_gradients_of_plain_ones(make, machine):
    cell = make(3, 4)
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    results = []
    for device in ("cpu", "cuda"):
        there, given = cell.to(device), x.to(device).requires_grad_()
        out = there(given)
        total = sum(part.square().sum() for part in (out if isinstance(out, tuple) else (out,)))
        parameters = list(there.parameters())
        results.append([part.cpu() for part in (total, *torch.autograd.grad(total, [given, *parameters]))])
    for plain, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, plain)


def test_launches_are_counted_by_operation_and_function(machine):
    x = torch.ones(4, 4, device="cuda")
    machine.reset()
    (x @ x).t().reshape(2, 8)
    assert machine.launches == {"mm": 1, "clone": 1}  # a transposed matrix is copied to be reshaped
    assert set(machine.launches_at) == {
        "tests/gpu/test_pretended_device.py:test_launches_are_counted_by_operation_and_function"
    }
