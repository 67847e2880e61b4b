"""The project's hand-written kernels and the library's recurrent ones, run by the CPU's own on the inner tensors.

All that the pretended device knows of the project stands here.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

import engram.memory_cores.loop.engine as loop_engine
from engram.agents.ppo import loss as ppo_loss
from engram.agents.ppo import loss_kernels
from engram.agents.replay.storage import Storage
from engram.agents.world_model import latent_kernels, latents
from engram.common import keyed_hash, random, streams
from engram.envs.memory_maze import motion, rendering
from engram.envs.memory_maze.motion import cpu as motion_cpu
from engram.envs.memory_maze.rendering import camera, shading
from engram.envs.memory_maze.rendering import cpu as rendering_cpu
from engram.memory_cores import loop, scan, state_space
from engram.memory_cores.loop.block_gates import block_gates_reference
from engram.memory_cores.loop.packing import Packing
from engram.memory_cores.loop.reference import gru_loop_reference, lstm_loop_reference
from engram.memory_cores.loop.weights import GateWeights
from engram.memory_cores.scan import cpu as scan_cpu
from engram.memory_cores.state_space import Modes
from pretended_cuda.machine import MACHINE, CudaTensor, inner_of, off


def replace_kernels() -> None:
    """Put the CPU's in the place of what launches on CUDA: the modules `cuda`, which engines import when asked to."""
    _replace(keyed_hash, draw=draw, stream_uniform=stream_uniform)
    _replace(state_space, transition_forward=transition_forward, transition_backward=transition_backward)
    _replace(scan, scan_forward=scan_forward, scan_backward=scan_backward)
    _replace(loop, block_gates_forward=block_gates_forward, block_gates_backward=block_gates_backward)
    _replace(
        latent_kernels,
        unimix_forward=unimix_forward,
        unimix_backward=unimix_backward,
    )
    _replace(loss_kernels, loss_and_gradients=loss_and_gradients)
    _replace(motion, move=move)
    _replace(rendering, render_frames=render_frames)
    patched: Any = loop_engine
    patched.library_lstm, patched.library_gru = library_lstm, library_gru
    patched = Storage
    patched._map = _without_the_machine(Storage._map)  # the library makes tensors of a class of its own


def _replace(package: Any, **functions: Callable[..., Any]) -> None:
    module: Any = ModuleType(f"{package.__name__}.cuda")
    vars(module).update(functions)
    package.cuda = sys.modules[module.__name__] = module


def _without_the_machine(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        with off():
            return function(*args)

    return call


def _take(kernel: str, *tensors: Tensor | None) -> list[Any]:
    """The values of a kernel's arguments; those that its launcher must make contiguous are noted."""
    for tensor in tensors:
        assert tensor is None or isinstance(tensor, CudaTensor), f"{kernel} was given a tensor in host memory"
        if tensor is not None and not tensor.is_contiguous():
            MACHINE.event(f"argument copied for {kernel}")
            MACHINE.count("contiguous")
    return [inner_of(tensor) for tensor in tensors]


def draw(kind: str, state: Any, parts: Any, bound: Any = 0) -> Tensor:
    before, high, *hashed = map(inner_of, (state, bound, *parts))
    plain: dict[str, Callable[..., Any]] = {
        "state": lambda *parts, prefix: random._absorb(prefix, parts),
        "hash": random.hash_integers,
        "integer": partial(random.randint, high),
        "uniform": random.uniform,
        "normal": random.normal,
    }
    return MACHINE.kernel("keyed_draw", lambda: (plain[kind](*hashed, prefix=before),))[0]


def stream_uniform(keys: Tensor, counter: Tensor, count: int) -> Tensor:
    values = inner_of(keys), inner_of(counter)
    return MACHINE.kernel("keyed_draw", lambda: (streams.stream_uniform(*values, count),))[0]


def scan_forward(a: Tensor, b: Tensor, is_first: Tensor, carry: Tensor, initial: Tensor | None) -> Tensor:
    values = _take("scan", a, b, is_first, carry, initial)
    return MACHINE.kernel("scan_forward", lambda: (scan_cpu.scan_forward(*values),))[0]


def scan_backward(
    a: Tensor,
    is_first: Tensor,
    carry: Tensor,
    initial: Tensor | None,
    states: Tensor,
    grad: Tensor,
    needs_a: bool,
) -> tuple[Tensor, ...]:
    values = _take("scan", a, is_first, carry, initial, states, grad)
    MACHINE.count("sum", int(needs_a) + int(initial is not None))
    return MACHINE.kernel("scan_backward", lambda: scan_cpu.scan_backward(*values, needs_a))


def transition_forward(rule: Any, *parameters: Tensor) -> tuple[Tensor, ...]:
    modes = Modes(rule, *_take("transition", *parameters))
    return MACHINE.kernel("transition", modes.rounded)


def transition_backward(rule: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
    *parameters, to_transition, to_scale = _take("transition", *tensors)
    shared = parameters[2].numel() < parameters[0].numel()
    MACHINE.count("sum", int(shared))

    def gradients() -> tuple[Tensor, ...]:
        with torch.enable_grad():
            own = [parameter.detach().requires_grad_() for parameter in parameters]
            return torch.autograd.grad(Modes(rule, *own).rounded(), own, (to_transition, to_scale))

    return MACHINE.kernel("transition_backward", gradients)


def block_gates_forward(gates: Tensor, hidden: Tensor, update_bias: float) -> Tensor:
    values = _take("gates", gates, hidden)
    return MACHINE.kernel("block_gates", lambda: (block_gates_reference(*values, update_bias),))[0]


def block_gates_backward(
    gates: Tensor, hidden: Tensor, update_bias: float, grad: Tensor
) -> tuple[Tensor, ...]:
    *inputs, to_following = _take("gates", gates, hidden, grad)

    def gradients() -> tuple[Tensor, ...]:
        with torch.enable_grad():
            own = [value.detach().requires_grad_() for value in inputs]
            return torch.autograd.grad(block_gates_reference(*own, update_bias), own, to_following)

    return MACHINE.kernel("block_gates_backward", gradients)


def unimix_forward(logits: Tensor, ratio: float, uniform: Tensor | None) -> tuple[Tensor, Tensor | None]:
    values, noise = _take("unimix", logits, uniform)
    if noise is None:
        return MACHINE.kernel("unimix", lambda: (latents.unimix(values, ratio),))[0], None
    log_probs, z = MACHINE.kernel("unimix", lambda: latents.draw(values, noise, ratio))
    return log_probs, z


def unimix_backward(
    log_probs: Tensor, grad: Tensor | None, to_one_hot: Tensor | None, ratio: float, dtype: torch.dtype
) -> Tensor:
    mixed, given, to_z = _take("unimix", log_probs, grad, to_one_hot)

    def gradient() -> tuple[Tensor]:
        floor = ratio / mixed.shape[-1]
        weight = (0 if given is None else given / mixed.exp()) + (0 if to_z is None else to_z)
        probs = (mixed.exp() - floor) / (1 - ratio)
        return (((1 - ratio) * probs * (weight - (probs * weight).sum(-1, keepdim=True))).to(dtype),)

    return MACHINE.kernel("unimix_backward", gradient)[0]


def loss_and_gradients(
    log_prob: Tensor, entropy: Tensor, value: Tensor, rows: Any, settings: Any
) -> tuple[Tensor, ...]:
    values = _take("ppo_loss", log_prob, entropy, value, *rows)

    def compute() -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            own = [given.detach().requires_grad_() for given in values[:3]]
            loss, terms = ppo_loss.ppo_loss_reference(*own, ppo_loss.LossRows(*values[3:]), settings)
            grads = torch.autograd.grad(loss, own)
        return torch.stack([loss.detach(), *(terms[name] for name in ppo_loss.TERMS)]), torch.stack(grads)

    MACHINE.count("ppo_loss_moments_and_total", 2)
    return MACHINE.kernel("ppo_loss", compute)


def move(
    body: Tensor, drive: Tensor, steer: Tensor, walls: Tensor, layout: Tensor, target: Tensor, reach: float
) -> tuple[Tensor, ...]:
    values = _take("motion", body, drive, steer, walls, layout, target)
    MACHINE.count("motion_arguments", 3)
    return MACHINE.kernel("move_bodies", lambda: motion_cpu.move(*values, reach))


def render_frames(scene: Any, textures: Tensor, image_size: int, wall: float, target: float) -> Tensor:
    names = [field.name for field in dataclasses.fields(scene)]
    parts = dict(zip(names, _take("rendering", *(getattr(scene, name) for name in names)), strict=True))
    device = textures.device
    constants = camera.pixel_slopes(image_size, device), camera.sky_picture(image_size, device)
    _take("rendering", *constants, shading.target_lights(device), shading.prompt_colors(device))

    def draw() -> tuple[Tensor]:
        return (
            rendering_cpu.render_frames(type(scene)(**parts), inner_of(textures), image_size, wall, target),
        )

    return MACHINE.kernel("draw_frames", draw)[0]


def library_lstm(
    x: Tensor, host_is_first: Tensor, hidden: Tensor, cell: Tensor, weights: GateWeights
) -> tuple[Tensor, Tensor]:
    def reference(
        x: Tensor, first: Tensor, hidden: Tensor, cell: Tensor, *parts: Tensor
    ) -> tuple[Tensor, ...]:
        return lstm_loop_reference(x, first, hidden, cell, GateWeights(*parts), all_cells=False)

    hiddens, last_cell = _library("lstm", reference, x, host_is_first, (hidden, cell, *weights))
    return hiddens, last_cell


def library_gru(x: Tensor, host_is_first: Tensor, hidden: Tensor, weights: GateWeights) -> Tensor:
    def reference(x: Tensor, first: Tensor, hidden: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
        return (gru_loop_reference(x, first, hidden, GateWeights(*parts)),)

    return _library("gru", reference, x, host_is_first, (hidden, *weights))[0]


def _library(name: str, reference: Any, x: Tensor, host_is_first: Tensor, rest: Any) -> tuple[Tensor, ...]:
    assert not isinstance(host_is_first, CudaTensor), "the library is told of resets by a copy in host memory"
    if host_is_first[:, 1:].any():
        Packing.of(host_is_first).to(x.device)  # its copies are noted
    MACHINE.count(f"cudnn_{name}")
    return Library.apply(reference, host_is_first, x, *rest)


class Library(torch.autograd.Function):
    """A function of inner tensors as one node, its gradients by autograd on the inner tensors."""

    @staticmethod
    def forward(ctx: Any, reference: Any, is_first: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(*inputs)
        ctx.reference, ctx.is_first = reference, is_first
        x, *rest = map(inner_of, inputs)
        with off():
            return tuple(CudaTensor(result.clone()) for result in reference(x, is_first, *rest))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        MACHINE.count("cudnn_backward")
        with off(), torch.enable_grad():
            x, *rest = [inner_of(value).detach().requires_grad_() for value in ctx.saved_tensors]
            results = ctx.reference(x, ctx.is_first, *rest)
            given = [
                torch.zeros_like(result) if grad is None else inner_of(grad)
                for result, grad in zip(results, grads, strict=True)
            ]
            found = torch.autograd.grad(results, [x, *rest], given, allow_unused=True)
        return None, None, *(None if grad is None else CudaTensor(grad.detach()) for grad in found)
