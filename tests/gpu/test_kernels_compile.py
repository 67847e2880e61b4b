"""Every CUDA kernel, compiled to machine code as its launcher asks for it, on a machine without a device."""

import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch
from maze_scenes import random_scene

triton = pytest.importorskip("triton")
TOOL = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
pytestmark = [
    pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="nothing is compiled there"),
    pytest.mark.skipif(not TOOL.exists(), reason=f"this triton has no CUDA back end: no {TOOL}"),
]


@pytest.fixture(params=[80, 90], ids=["sm_80", "sm_90"])
def compiled(request, monkeypatch, tmp_path):
    """Let launchers compile instead of launch: gives a function that calls one and reads what its kernel needs."""
    target = triton.backends.compiler.GPUTarget("cuda", request.param, 32)
    names = {"device": lambda: request.param, "stream": lambda device: 0, "target": lambda: target}
    driver = SimpleNamespace(**{f"get_current_{name}": value for name, value in names.items()})
    monkeypatch.setattr(triton.runtime.driver, "_active", driver)  # one that can only name a device

    def compile(module, name, launch, others=()):
        kept, kernel = [], getattr(module, name)

        def keep(grid):
            return lambda *args, **options: kept.append(kernel.warmup(*args, grid=grid, **options))

        watch = type("Watch", (), {"__getitem__": lambda self, grid: keep(grid)})
        with monkeypatch.context() as patch:
            patch.setattr(module, name, watch())
            for other in others:  # which the same launcher launches
                patch.setattr(module, other, MagicMock())
            launch()
        binary = tmp_path / "cubin"
        binary.write_bytes(kept[0].asm["cubin"])
        done = subprocess.run([TOOL, "-res-usage", binary], capture_output=True, text=True, check=True)
        return {key: int(value) for key, value in re.findall(r"(REG|STACK|SHARED):(\d+)", done.stdout)}

    return compile


@pytest.mark.parametrize(("dtype", "varying"), [(torch.complex64, False), (torch.float32, True)])
def test_the_scan_spills_nothing(dtype, varying, compiled):
    from engram.memory_cores.scan import cuda

    b, first = torch.zeros(2, 8, 64, dtype=dtype), torch.zeros(2, 8, dtype=torch.bool)
    a, carry, initial = (
        b if varying else b[0, 0].clone(),
        b[:, 0].clone(),
        b[0, 0].clone() if varying else None,
    )
    forward = compiled(cuda, "forward_kernel", lambda: cuda.scan_forward(a, b, first, carry, initial))
    backward = compiled(
        cuda, "backward_kernel", lambda: cuda.scan_backward(a, first, carry, initial, b, b, True)
    )
    for used in (forward, backward):
        assert used["REG"] <= 168 and used["STACK"] == used["SHARED"] == 0, used


@pytest.mark.parametrize("count", [1, 48])
def test_the_maze_keeps_a_small_stack(count, compiled):
    from engram.envs.memory_maze.motion import cuda as motion
    from engram.envs.memory_maze.rendering import cuda, load_textures

    scene, bodies = random_scene(count, 9, 3), torch.zeros(count, 9, dtype=torch.float64)
    rest = scene.walls, torch.zeros(count, dtype=torch.int64), torch.zeros(count, 2), 0.4
    used = compiled(motion, "move_bodies", lambda: motion.move(bodies, bodies[:, 0], bodies[:, 1], *rest))
    assert used["STACK"] <= 48, used  # the library's, for large angles
    textures = load_textures(procedural=True)
    used = compiled(cuda, "draw_frames", lambda: cuda.render_frames(scene, textures, 64, 0.75, 0.0))
    assert used["REG"] <= 64 and used["STACK"] <= 32, used


@pytest.mark.parametrize("kind", ["integer", "normal"])
def test_keyed_draws_spill_nothing(kind, compiled):
    from engram.common.keyed_hash import cuda

    index = torch.arange(40)
    used = compiled(cuda, "draw_kernel", lambda: cuda.draw(kind, -(2**63), (index, 7, index[:, None]), index))
    assert used["REG"] <= 64 and used["STACK"] <= (0 if kind != "normal" else 48), used
    used = compiled(cuda, "stream_kernel", lambda: cuda.stream_uniform(index, index, 3))
    assert used["REG"] <= 64 and used["STACK"] == 0, used


@pytest.mark.parametrize("method", ["zoh", "bilinear", "exponential"])
def test_transitions_keep_a_small_stack(method, compiled):
    from engram.memory_cores.state_space import Rule, cuda

    rule = Rule(method, log_decay=method == "zoh", max_decay=-1e-4)
    parameters, grad = (
        [torch.zeros(64, 4)] * 2 + [torch.zeros(64, 1)],
        torch.zeros(64, 4, dtype=torch.complex64),
    )
    for name, launch in (
        ("forward_kernel", lambda: cuda.transition_forward(rule, *parameters)),
        ("backward_kernel", lambda: cuda.transition_backward(rule, *parameters, grad, grad)),
    ):
        used = compiled(cuda, name, launch)
        assert used["REG"] <= 64 and used["STACK"] <= 64, used  # the library's, for large angles


def test_block_gates_spill_nothing(compiled):
    from engram.memory_cores.loop import cuda

    gates, hidden = torch.zeros(4, 3, 24), torch.zeros(3, 32)
    for name, launch in (
        ("forward_kernel", lambda: cuda.block_gates_forward(gates, hidden, -1.0)),
        ("backward_kernel", lambda: cuda.block_gates_backward(gates, hidden, -1.0, hidden)),
    ):
        used = compiled(cuda, name, launch)
        assert used["REG"] <= 64 and used["STACK"] == used["SHARED"] == 0, used


@pytest.mark.parametrize("classes", [4, 32])
def test_latents_spill_nothing(classes, compiled):
    from engram.agents.world_model.latent_kernels import cuda

    logits = torch.zeros(3, 16, classes)
    for name, launch in (
        ("unimix_kernel", lambda: cuda.unimix_forward(logits, 0.01, None)),
        ("unimix_kernel", lambda: cuda.unimix_forward(logits, 0.01, logits[..., 0])),
        ("unimix_backward_kernel", lambda: cuda.unimix_backward(logits, logits, None, 0.01, logits.dtype)),
        ("unimix_backward_kernel", lambda: cuda.unimix_backward(logits, logits, logits, 0.01, logits.dtype)),
    ):
        used = compiled(cuda, name, launch)
        assert used["REG"] <= 128 and used["STACK"] == 0, used


def test_the_loss_of_ppo_spills_nothing(compiled):
    from engram.agents.ppo.loss import LossRows
    from engram.agents.ppo.loss_kernels import cuda
    from engram.agents.ppo.settings import PPOSettings

    part = torch.zeros(40, 64)
    rows = LossRows(part, part, part, part, part.bool())
    for name in ("moments_kernel", "rows_kernel", "total_kernel"):
        for clip in (None, 0.2):
            settings = PPOSettings(value_clip_range=clip)
            others = {"moments_kernel", "rows_kernel", "total_kernel"} - {name}
            used = compiled(
                cuda, name, lambda s=settings: cuda.loss_and_gradients(part, part, part, rows, s), others
            )
            assert used["REG"] <= 128 and used["STACK"] == 0, used
