"""What a core's speed is held against: library kernels, TorchRL, and an algorithm as published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from tensordict import TensorDict
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from engram.memory_cores import FFM, GRU, LSTM, MemoryCore, Resets


@dataclass(frozen=True)
class Rows:
    """Ready inputs of a sequence.

    Attributes:
        x: [B, T, input_size]; it asks for a gradient.
        is_first: [B, T] bool.
        host_is_first: the same in host memory.
    """

    x: Tensor
    is_first: Tensor
    host_is_first: Tensor


@dataclass(frozen=True)
class Contender:
    """Something that maps rows to outputs.

    Attributes:
        name: in tables.
        prepare: makes of rows a call that returns the outputs, [B, T, hidden_size].
        parameters: what is differentiated beside x.
        peer_of: the class of cores it is compared with; None for a core.
        resets: whether it heeds `is_first`.
    """

    name: str
    prepare: Callable[[Rows], Callable[[], Tensor]]
    parameters: list[nn.Parameter]
    peer_of: type[MemoryCore] | None = None
    resets: bool = True


@dataclass(frozen=True)
class Floor:
    """The least time of a scan in training: 8 passes over what is carried from row to row, warm.

    Frozen code, not to be made slower.

    Attributes:
        name: in tables.
        floor_of: the core's name.
        row_bytes: carried per row and environment.
    """

    name: str
    floor_of: str
    row_bytes: int
    resets: ClassVar[bool] = False

    def prepare(self, rows: Rows) -> Callable[[], object]:
        """Make a call that copies four times, where each copy reads and writes."""
        source = torch.zeros(rows.is_first.numel() * self.row_bytes, dtype=torch.uint8, device=rows.x.device)
        target = torch.zeros_like(source)

        def copy_four_times() -> None:
            for _ in range(4):
                target.copy_(source)

        return copy_four_times


def make_contender(name: str, core: MemoryCore) -> Contender:
    """Make a contender of a core."""

    def prepare(rows: Rows) -> Callable[[], Tensor]:
        carry = core.initial_carry(rows.x.shape[0])
        return lambda: core(rows.x, carry, Resets(rows.is_first, rows.host_is_first))[0]

    return Contender(name, prepare, _trained(core))


def make_peers(input_size: int, hidden_size: int, device: torch.device) -> tuple[list[Contender], list[str]]:
    """Make all peers that can be made here.

    Returns:
        The peers, and a sentence for each that is left out.
    """
    peers = []
    for kind, of in ((nn.LSTM, LSTM), (nn.GRU, GRU)):
        library = kind(input_size, hidden_size, batch_first=True).to(device)
        peers.append(Contender(f"nn.{kind.__name__}", _library(library), _trained(library), of, resets=False))
    ffm = FFM(input_size, hidden_size).to(device)
    peers.append(
        Contender(
            "ffm as published",
            lambda rows: lambda: published_ffm(ffm, rows.x),
            _trained(ffm),
            FFM,
            resets=False,
        )
    )
    try:
        from torchrl.modules import LSTMModule
    except ImportError:
        return peers, [
            "torchrl's LSTM is left out: torchrl is not installed (pip install -e '.[benchmark]')."
        ]
    backends = ["pad", "scan", *(["triton"] if device.type == "cuda" else [])]
    peers += [make_torchrl_lstm(LSTMModule, backend, input_size, hidden_size, device) for backend in backends]
    return peers, []


def make_torchrl_lstm(
    module_class: Any, backend: str, input_size: int, hidden_size: int, device: torch.device
) -> Contender:
    """Make a contender of TorchRL's LSTM.

    Args:
        module_class: `torchrl.modules.LSTMModule`.
        backend: its `recurrent_backend`.
        input_size: of x.
        hidden_size: of the state and the output.
        device: where.
    """
    module = module_class(
        input_size,
        hidden_size,
        in_keys=["x", "h", "c"],
        out_keys=["y", ("next", "h"), ("next", "c")],
        recurrent_backend=backend,
        default_recurrent_mode=True,
        device=device,
    )

    def prepare(rows: Rows) -> Callable[[], Tensor]:
        # It restarts from the states stored with the rows, which are those an episode begins with.
        zeros = rows.x.new_zeros(*rows.is_first.shape, 1, hidden_size)
        data = {"x": rows.x, "is_init": rows.is_first.unsqueeze(-1), "h": zeros, "c": zeros}
        return lambda: module(TensorDict(dict(data), batch_size=rows.is_first.shape))["y"]

    return Contender(f"torchrl LSTM {backend}", prepare, _trained(module), LSTM)


def published_ffm(core: FFM, x: Tensor, block: int = 1024) -> Tensor:
    """Run FFM by the published algorithm: a cumulative sum in complex128, block after block. No resets.

    With L the block's length, S[t] = Γ^−(L−1−t) Σ_{i≤t} Γ^(L−1−i) u[i] + Γ^(t+1) S[−1].

    Args:
        core: its parameters are used.
        x: [B, T, input_size]; an episode begins at row 0.
        block: L, the core's `max_length`: what keeps Γ^−L within float64. Default: 1024.

    Returns:
        Outputs, [B, T, hidden_size].

    Source: Morad et al., "Reinforcement learning with fast and forgetful memory", 2023.
    """
    sizes = (core.memory_size, core.memory_size, core.output_size, core.output_size)
    value, gate_in, gate_out, skip = core.project(x).split(sizes, dim=-1)
    driven = (value * gate_in.sigmoid()).unsqueeze(-1)  # [B, T, m, 1]
    decay = core.decay.clamp(-core.limit, -1e-8).double()
    rate = torch.complex(*torch.broadcast_tensors(decay.unsqueeze(-1), core.phase.double()))  # [m, c]
    state, traces = torch.zeros_like(rate), []
    for part in driven.split(block, dim=1):
        rows = torch.arange(part.shape[1], device=x.device, dtype=torch.float64).view(-1, 1, 1)
        backward = (rate * (block - 1 - rows)).exp()
        trace = (part * backward).cumsum(dim=1) / backward + (rate * (rows + 1)).exp() * state
        state = trace[:, -1:]
        traces.append(trace.to(torch.complex64))
    trace = torch.cat(traces, dim=1)
    parts = torch.cat([trace.real.flatten(-2), trace.imag.flatten(-2)], dim=-1)
    z, gate = core.readout(parts), gate_out.sigmoid()
    return layer_norm(z, z.shape[-1:]) * gate + skip * (1 - gate)


def _library(module: nn.LSTM | nn.GRU) -> Callable[[Rows], Callable[[], Tensor]]:
    return lambda rows: lambda: module(rows.x)[0]


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
