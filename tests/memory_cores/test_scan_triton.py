"""The scan's CUDA kernels: in Triton's interpreter on any machine, and on a device where there is one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engram.memory_cores.scan import engine as scan
from engram.memory_cores.scan import linear_scan, linear_scan_reference

pytest.importorskip("triton")
ROOT = Path(__file__).resolve().parents[2]
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
# Values and gradients of both kinds of numbers and transitions, and what must not pass a reset.
QUICK = "groups_and_blocks or poisoned_episode or (reaches_past_a_reset and linear_scan0 and nan)"


def interpret(*arguments):
    """Run tests in a process of its own, since Triton reads its variable once, when it compiles."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.skipif(INTERPRETED, reason="runs the others")
def test_kernels_in_the_interpreter():
    folder = Path(__file__).parent
    done = interpret(str(folder / "test_scan_triton.py"), str(folder / "test_scan.py"), "-k", QUICK)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(INTERPRETED, reason="runs the others")
def test_every_test_of_the_scan_in_the_interpreter():
    done = interpret(str(Path(__file__).parent / "test_scan.py"), "-k", "not compile and not length")
    assert done.returncode == 0, done.stdout + done.stderr


def make(dtype, batch, length, width, varying, learned, device="cpu"):
    """Tensors of a scan with a transition below one, so that long sequences stay finite."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(batch, length, width) if varying else (width,), (batch, length, width), (batch, width)]
    shapes += [(width,)] if learned else []
    a, *others = (torch.randn(shape, dtype=dtype, generator=generator) for shape in shapes)
    tensors = [0.9 * a / a.abs().clamp(min=1), *others]
    is_first = torch.rand(batch, length, generator=generator) < 0.1
    return [tensor.to(device).requires_grad_() for tensor in tensors], is_first.to(device)


def states_and_gradients(function, tensors, is_first):
    a, b, carry, *initial = tensors
    states = function(a, b, is_first, carry, *initial)
    weight = torch.linspace(-1, 1, states.numel(), dtype=states.real.dtype, device=b.device)
    loss = (weight.reshape(states.shape) * states).abs().square().sum()
    return states, *torch.autograd.grad(loss, tensors)


@pytest.mark.skipif(not INTERPRETED, reason="needs TRITON_INTERPRET=1")
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
@pytest.mark.parametrize(("varying", "learned"), [(False, False), (True, True)])
def test_groups_and_blocks(dtype, varying, learned, monkeypatch):
    from engram.memory_cores.scan import cuda

    monkeypatch.setattr(scan, "scan_engine", lambda device_type: cuda)
    monkeypatch.setattr(cuda, "BYTES_AHEAD", 16)  # small groups, so that there are several
    tensors, is_first = make(dtype, 2, 11, 35, varying, learned)
    ours = states_and_gradients(linear_scan, tensors, is_first)
    plain = states_and_gradients(linear_scan_reference, tensors, is_first)
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("sizes", [(3, 7, 4), (5, 130, 70), (2, 1024, 256)])
def test_a_device_gives_what_the_cpu_gives(dtype, varying, learned, sizes):
    results = []
    for device in ("cuda", "cpu"):
        tensors, is_first = make(dtype, *sizes, varying, learned, device)
        results.append([tensor.cpu() for tensor in states_and_gradients(linear_scan, tensors, is_first)])
    single = dtype in (torch.float32, torch.complex64)
    for ours, expected in zip(*results, strict=True):
        limit = (1e-5 if single else 1e-12) * expected.abs().max().item()
        torch.testing.assert_close(ours, expected, rtol=0, atol=limit)


@pytest.mark.gpu
@pytest.mark.card
def test_more_numbers_than_32_bits_can_count():
    batch, length, width = 3, 2**16, 2**14  # 3 x 2³⁰ numbers, 12 GiB, and as many states
    b = torch.ones(batch, length, width, device="cuda")
    is_first = torch.zeros(batch, length, dtype=torch.bool, device="cuda")
    states = linear_scan(torch.full((width,), 0.5, device="cuda"), b, is_first, b[:, 0])
    assert torch.equal(states[:, -1], torch.full_like(b[:, 0], 2.0))


@pytest.mark.gpu
@pytest.mark.card
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_one_node_of_a_compiled_graph(dtype):
    tensors, is_first = make(dtype, 2, 19, 33, True, True, "cuda")
    compiled = torch.compile(linear_scan, fullgraph=True)
    for ours, expected in zip(
        states_and_gradients(compiled, tensors, is_first),
        states_and_gradients(linear_scan, tensors, is_first),
        strict=True,
    ):
        torch.testing.assert_close(ours, expected)
