"""Saliency: how much each past row moves what an agent does, values or expects now.

S[t, s] = Σ_a Σ_i |∂ v_a(t) / ∂ x_i(s)| for the numbers v_a that are made of row t and the numbers x_i of row s. The
absolute value is taken of each v_a by itself, as the caption of POPGym Arcade's figure has it: of a gradient of their
sum, what raises one action and lowers another would cancel.

Source: Wang et al., "POPGym Arcade: parallel pixelated POMDPs", 2025.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from tensordict import TensorDictBase
from torch import Tensor

from engram.agents.base import Agent
from engram.agents.outlook import Output
from engram.common.errors import UsageError
from engram.instruments.played import Played
from engram.memory_cores.full_gradients import full_gradients


class Saliency(NamedTuple):
    """How much what is made of row t depends on what came before.

    Attributes:
        rows: of row s, `[B, T, T]`, `[b, t, s]`; exactly zero for s behind t and of another episode.
        carried: of what was carried in before row 0, `[B, T]`, in units of its own.
    """

    rows: Tensor
    carried: Tensor


def saliency(
    values: Tensor, x: Tensor, carried: Sequence[Tensor] = (), times_input: bool = False
) -> Saliency:
    """Differentiate numbers by the rows that they were made of, a backward pass for each row and number.

    Args:
        values: `[B, T, n]`, in the graph of `x`; what is made of one environment's rows depends on these alone.
        x: `[B, T, *]`.
        carried: what was carried in, `[B, *]` each.
        times_input: |Σ_i x_i ∂v / ∂x_i| in the place of Σ_i |∂v / ∂x_i|: what the row's numbers are worth as they are.

    Returns:
        Without a graph.
    """
    batch, length, count = values.shape
    rows = x.new_zeros(batch, length, length)
    before = x.new_zeros(batch, length)
    for t in range(length):
        for number in range(count):
            of_x, *of_carried = torch.autograd.grad(
                values[:, t, number].sum(), [x, *carried], retain_graph=True, allow_unused=True
            )
            rows[:, t] += _size(x, of_x, 2, times_input)
            for part, grad in zip(carried, of_carried, strict=True):
                before[:, t] += _size(part, grad, 1, times_input)
    return Saliency(rows, before)


def agent_saliency(agent: Agent, played: Played, of: str = "action", times_input: bool = False) -> Saliency:
    """Find how much each past row, as the memory is given it, moves what an agent makes of a row.

    Gradients also pass through what a core stores without one when it learns, as HCAM does.

    Args:
        agent: must have an `outlook`.
        played: its rows.
        of: one of its outputs: `action`, `log_prob` (of the action that was taken) or `value`.
        times_input: as of `saliency`.

    Raises:
        ValueError: if the agent has no outlook.
        UsageError: if it has no such output.
    """
    memory = played.memory.clone()
    carried = [
        leaf.requires_grad_()
        for leaf in memory.values(True, True)
        if leaf.is_floating_point() or leaf.is_complex()
    ]
    with _open(agent):
        output = _output(agent, played.rows, memory, of)
        return saliency(output.values, output.x, carried, times_input)


def pixel_saliency(
    agent: Agent, played: Played, env_index: int, row: int, of: str = "action"
) -> tuple[Tensor, Tensor] | None:
    """Find how much each pixel of the past moves what an agent makes of one row.

    Args:
        agent: must have an `outlook`.
        played: its rows.
        env_index: the environment.
        row: t.
        of: as of `agent_saliency`.

    Returns:
        Of rows 0 … t the pictures as they were seen and |∂ / ∂ pixel|, its mean over channels,
        `[t + 1, height, width]`; None if the observation holds no picture.
    """
    rows = played.rows[env_index : env_index + 1, : row + 1].clone()
    found = pictures_of(rows["obs"])
    if not found:
        return None
    key, seen = next(iter(found.items()))
    pixels = seen.float().requires_grad_()
    if key:
        rows["obs"][key] = pixels
    else:
        rows["obs"] = pixels
    with _open(agent):
        values = _output(agent, rows, played.memory[env_index : env_index + 1].clone(), of).values[:, -1]
        total = torch.zeros_like(pixels)
        for value in values.unbind(-1):
            total += torch.autograd.grad(value.sum(), pixels, retain_graph=True)[0].abs()
    return seen[0], total[0].mean(channel_axis(total.shape[2:]) + 1)


def pictures_of(obs: Tensor | TensorDictBase) -> dict[str, Tensor]:
    """Find the pictures of an observation `[B, T, *]`, bytes of three axes, by their key; it is empty if not nested."""
    parts = {"": obs} if isinstance(obs, Tensor) else dict(obs.items(True, True))
    return {key: part for key, part in parts.items() if part.dtype == torch.uint8 and part.dim() == 5}


def channel_axis(shape: Sequence[int]) -> int:
    """Say which of a picture's three axes holds the channels: the shortest, of two alike the last."""
    return min(range(3), key=lambda axis: (shape[axis], -axis))


@contextmanager
def _open(agent: Agent) -> Iterator[None]:
    """Within the block gradients pass through all that the agent's networks store."""
    with ExitStack() as stack:
        for network in agent.networks.values():
            stack.enter_context(full_gradients(network))
        stack.enter_context(torch.enable_grad())
        yield


def _output(agent: Agent, rows: TensorDictBase, memory: TensorDictBase, of: str) -> Output:
    outputs = agent.outlook(rows, memory).outputs
    if of not in outputs:
        raise UsageError(
            f"Saliency is that of a number which the agent makes of every row, {', '.join(outputs)} of "
            f"{type(agent).__name__}, but got {of!r}; set saliency.of={next(iter(outputs))}."
        )
    return outputs[of]


def _size(part: Tensor, grad: Tensor | None, batch_dims: int, times_input: bool) -> Tensor:
    """Sum up a gradient over what follows the batch dimensions."""
    if grad is None:
        return part.new_zeros(part.shape[:batch_dims]).real
    if times_input:
        return (part.conj() * grad).real.flatten(batch_dims).sum(-1).abs().detach()
    return grad.abs().flatten(batch_dims).sum(-1)
