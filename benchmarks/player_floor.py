"""The floor of a player's step: the bare operations of encoder, memory and policy of PPO with a GRU or S5.

Frozen code: it is what others are measured against. Features are ready, nothing is reset, drawn or converted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from engram.agents import PPO
from engram.memory_cores import GRU, S5

Step = Callable[[Tensor], Tensor]


def floor(agent: Any) -> Callable[[], Tensor] | None:
    """Make the floor of an agent with its own weights, or None where there is none for its networks."""
    network: Any = getattr(agent, "network", None)
    if type(agent) is not PPO or type(network.core) not in (GRU, S5) or network.shortcut:
        return None
    dense = [_weights(layer) for layer in network.encoder.mlp if isinstance(layer, torch.nn.Linear)]
    heads = [_weights(layer) for layer in network.policy_head.modules() if isinstance(layer, torch.nn.Linear)]
    features = torch.rand(1, dense[0][0].shape[1])
    memory = _gru(network.core) if type(network.core) is GRU else _s5(network.core)

    @torch.inference_mode()
    def step() -> Tensor:
        x = features
        for weight, bias in dense:
            x = F.leaky_relu(F.linear(x, weight, bias))
        x = memory(x)
        for weight, bias in heads[:-1]:
            x = F.leaky_relu(F.linear(x, weight, bias))
        return F.linear(x, *heads[-1]).argmax(-1)

    return step


def _weights(layer: Any) -> tuple[Tensor, Tensor]:
    return layer.weight.detach(), layer.bias.detach()


def _gru(core: Any) -> Step:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    parameters = [
        next(value.detach() for key, value in core.named_parameters() if name in key) for name in names
    ]
    hidden = torch.zeros(1, core.hidden_size)
    return lambda x: torch.gru_cell(x, hidden, *parameters)


def _s5(core: Any) -> Step:
    with torch.no_grad():
        layers = [(layer, *layer.ssm.modes().rounded()) for layer in core.layers]
    embed = _weights(core.embed) if isinstance(core.embed, torch.nn.Linear) else None
    states = [torch.zeros(1, layer.ssm.num_modes, dtype=torch.complex64) for layer in core.layers]

    def step(x: Tensor) -> Tensor:
        u = x if embed is None else F.linear(x, *embed)
        for (layer, transition, scale), state in zip(layers, states, strict=True):
            ssm, norm = layer.ssm, layer.prenorm
            v = F.layer_norm(u, norm.normalized_shape, norm.weight, norm.bias)
            drive = torch.view_as_complex(F.linear(v, ssm.input_matrix).view(1, -1, 2))
            after = torch.view_as_real(transition * state + scale * drive).flatten(-2)
            g = F.gelu(torch.add(ssm.skip * v, F.linear(after, ssm.output_matrix), alpha=2))
            value, gate = _weights(layer.value), _weights(layer.gate)
            u = u + F.linear(g, *value) * F.linear(g, *gate).sigmoid()
        return u

    return step
