"""The networks-only floor of R2D2's updates: frozen code, not to be made slower.

The same forward and backward passes of both networks through the same burn-in, on one ready batch, with the library's
GRU or LSTM without resets (any other core: itself, without resets), and the library's optimiser; no draw, no targets,
no loss terms, no move of the target network.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from tensordict import TensorDictBase
from torch import Tensor, nn

from engram.agents.r2d2 import R2D2
from engram.agents.replay import Batch
from engram.memory_cores import GRU, LSTM, MemoryCore

LIBRARY: dict[type[MemoryCore], Callable[..., nn.Module]] = {GRU: nn.GRU, LSTM: nn.LSTM}


class WithoutResets(nn.Module):
    """A core that is called without resets, as the library's are.

    Args:
        core: any.
        batch_size: B.
    """

    def __init__(self, core: MemoryCore, batch_size: int) -> None:
        super().__init__()
        self.core, self._start = core, core.initial_carry(batch_size).detach()

    def forward(self, x: Tensor, carry: TensorDictBase | None = None) -> tuple[Tensor, TensorDictBase]:
        """Run it over `[B, T, input_size]`."""
        is_first = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
        return self.core(x, self._start if carry is None else carry, is_first)


class NetworksOnly:
    """Encoder, core and heads on a ready batch.

    Args:
        agent: whose encoder, heads, sizes and settings are used.
        batch: to run them on.
    """

    def __init__(self, agent: R2D2, batch: Batch) -> None:
        self.rows, self.burn_in = batch.rows.clone(), agent.settings.burn_in
        network, core = agent.network, agent.network.core
        library = LIBRARY.get(type(core))
        memory: nn.Module = (
            WithoutResets(core, len(batch.rows))
            if library is None
            else library(network.encoder.output_size, core.output_size, batch_first=True)
        )
        parts = [network.encoder, memory, network.advantage_head, network.value_head]
        self.online = nn.ModuleList([part for part in parts if part is not None]).to(agent.device)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.parameters = list(self.online.parameters())
        # A learning rate of 0 does all the work and leaves the agent's parameters alone.
        self.optimizer = torch.optim.Adam(self.parameters, lr=0.0, fused=True)

    def learn(self) -> None:
        """One update's worth of passes."""
        loss = self._values(self.online).sum()
        with torch.no_grad():
            self._values(self.target)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()

    def _values(self, network: nn.ModuleList) -> Tensor:
        """Both heads' outputs behind the burn-in, summed."""
        encoder, memory, *heads = network
        carry: Any = None
        if self.burn_in:
            with torch.no_grad():
                _, carry = memory(encoder(self.rows[:, : self.burn_in]), carry)
        y, _ = memory(encoder(self.rows[:, self.burn_in :]), carry)
        return torch.stack([head(y).sum() for head in heads])
