"""The kernels of keyed draws: in Triton's interpreter on any machine, and on a device where there is one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_keyed_draws import GOLDEN

from engram.common import random, streams

pytest.importorskip("triton")
ROOT = Path(__file__).resolve().parents[2]
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
needs_interpreter = pytest.mark.skipif(not INTERPRETED, reason="needs TRITON_INTERPRET=1")


@pytest.mark.skipif(INTERPRETED, reason="runs the others")
def test_kernels_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr


@pytest.fixture
def kernel(monkeypatch):
    """Let tensors in host memory be drawn for by the kernel, as those on a device are."""

    def use(flag):
        monkeypatch.setattr(random, "_is_on_cuda", lambda *parts: flag)

    return use


@needs_interpreter
@pytest.mark.parametrize("parts, expected", [case for case in GOLDEN if isinstance(case[0][-1], int)])
def test_literal_values(parts, expected, kernel):
    kernel(True)
    last = torch.tensor([parts[-1]])
    assert random.hash_integers(*parts[:-1], last).tolist() == [expected]
    tensors = [part if isinstance(part, str) else torch.tensor([part]) for part in parts]
    assert random.hash_integers(*tensors).tolist() == [expected]


INDEX = torch.arange(-3, 150)
WIDE = torch.arange(12).reshape(4, 1, 3).expand(4, 2, 3)
DRAWS = {
    "prefix": lambda: random.hash_prefix(5, "deal", INDEX, 2**40, -7, 1),
    "hash": lambda: random.hash_integers(INDEX[:4, None], INDEX, prefix=random.hash_prefix(INDEX[:4, None])),
    "three_dimensions": lambda: random.hash_integers(3, WIDE, INDEX[:2, None], 2**62),
    "transposed": lambda: random.hash_integers(WIDE.permute(2, 0, 1)),
    "uniform": lambda: random.uniform(INDEX[::2], 16),
    "integers": lambda: random.randint(9, 1, prefix=INDEX),
    "bounds": lambda: random.randint(INDEX.abs()[:, None] + 1, INDEX[:5], "x"),
    "no_part": lambda: random.hash_integers(prefix=INDEX),
    "none": lambda: random.uniform(INDEX[:0]),
    "small_integers": lambda: random.hash_integers(INDEX.to(torch.int16), INDEX > 0, INDEX.int()),
}


@needs_interpreter
@pytest.mark.parametrize("name", DRAWS)
def test_the_kernel_draws_what_plain_operations_do(name, kernel):
    kernel(False)
    plain = DRAWS[name]()
    kernel(True)
    drawn = DRAWS[name]()
    assert drawn.dtype == plain.dtype and torch.equal(drawn, plain)


@needs_interpreter
def test_normal_numbers_agree_to_rounding(kernel):
    kernel(False)
    plain = random.normal(INDEX, 3)
    kernel(True)
    torch.testing.assert_close(random.normal(INDEX, 3), plain, rtol=1e-6, atol=1e-6)


@needs_interpreter
def test_the_kernel_of_streams_draws_what_plain_operations_do():
    from engram.common.keyed_hash import cuda

    keys = streams.environment_keys(streams.stream_key(3, "actions"), 50, 1, torch.device("cpu"))
    counter = torch.arange(100)[::2]
    for count in (1, 7):
        drawn = cuda.stream_uniform(keys, counter, count)
        assert torch.equal(drawn, streams.stream_uniform(keys, counter, count))
    assert cuda.stream_uniform(keys[:2], torch.tensor([0, 7]), 2).shape == (2, 2)
    assert cuda.stream_uniform(keys[:0], counter[:0], 2).shape == (0, 2)
