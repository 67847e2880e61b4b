"""Differentiable neural computer, with resets: an LSTM that writes to and reads from slots."""

from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from engram.common.dense import Linear
from engram.common.option_types import Count, Size
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.loop.addressing import allocation_weights, content_weights, linked
from engram.memory_cores.loop.wide_layers import WideLinear
from engram.memory_cores.loop_core import LoopCore, States
from engram.memory_cores.memory import Memory
from engram.memory_cores.time_scales import TimeScale, chrono_bias


class DNC(LoopCore):
    """An LSTM that reads x and what was last read, and says how N slots M of W numbers are written to and read.

    Usage u' = (u + w − u ⊙ w) ⊙ Π_i (1 − f_i r_i), with the last weights of writing w and of reading r_i; writing
    w' = g (α a(u') + (1 − α) c), with a by what is free and c by content; M' = M ⊙ (1 − w' eᵀ) + w' vᵀ; reading
    r_i' = π_i · (Lᵀ r_i, c_i, L r_i), with L the order of writing; what is read is M'ᵀ r_i'. The output is linear in
    the LSTM's and in what is read. f, g, α, e are gates σ, strengths of content 1 + softplus, π softmax of what the
    LSTM puts out. See `loop.addressing`.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the LSTM and of the output. Default: 128.
        num_slots: N. Default: 16.
        word_size: W. Default: 32.
        num_reads: Slots are read in so many ways at once. Default: 2.
        init: Of the LSTM: "chrono", time scales from 2 to `max_time_scale` rows (`chrono_bias`) in the forget gate and
            their opposites in the input gate; "published", biases zero. Default: "chrono".
        max_time_scale: Longest time scale in rows, 2 or more, for "chrono" alone. Default: 256.

    Source: Graves et al., "Hybrid computing using a neural network with dynamic external memory", 2016, with one layer
    of LSTM.
    """

    card = CoreCard(
        family="loop",
        step_cost="O(H (I + H + R W) + R N (N + W)), N slots of W numbers, R reads",
        training_cost="O(T (H (I + H + R W) + R N (N + W))); all of it goes row by row, in some sixty small steps",
        memory_length="what it keeps from overwriting: N slots, as far back as gradients reach",
        choose_when=(
            "Things must be stored, found by content, and gone through in the order in which they came. The slowest "
            "core, and the hardest to train: take an attention or a matrix memory first."
        ),
        shown_by="diagnostic/copy_sequence",
    )

    def __init__(
        self,
        input_size: Size,
        hidden_size: Size = 128,
        num_slots: Count = 16,
        word_size: Size = 32,
        num_reads: Count = 2,
        init: Literal["chrono", "published"] = "chrono",
        max_time_scale: TimeScale = 256,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.hidden_size, self.num_slots = hidden_size, num_slots
        self.word_size, self.num_reads = word_size, num_reads
        self.input = WideLinear(input_size, 4 * hidden_size)  # i, f, o and the candidate
        self.recurrent = WideLinear(hidden_size + num_reads * word_size, 4 * hidden_size, bias=False)
        self.interface = WideLinear(hidden_size, sum(self._interface_sizes()))
        self.readout = Linear(hidden_size + num_reads * word_size, hidden_size)
        nn.init.zeros_(self.input.bias)
        if init == "chrono":
            forget = chrono_bias(hidden_size, max_time_scale)
            self.input.bias.data[: 2 * hidden_size] = torch.cat([-forget, forget])

    def carry_spec(self) -> CarrySpec:
        """State the LSTM's `hidden` and `cell`, and the memory's slots, usage, order and last weights, all zero."""
        slots, reads, word = self.num_slots, self.num_reads, self.word_size
        shapes: dict[str, tuple[int, ...]] = {
            "hidden": (self.hidden_size,),
            "cell": (self.hidden_size,),
            "slots": (slots, word),
            "usage": (slots,),
            "links": (slots, slots),
            "precedence": (slots,),
            "write_weights": (slots,),
            "read_weights": (reads, slots),
            "reads": (reads, word),
        }
        return {key: Leaf(shape) for key, shape in shapes.items()}

    def equations(self, x: Tensor, memory: Memory) -> Tensor:
        """Run the loop, then map what the LSTM and the memory put out; see `MemoryCore.equations`."""
        return self.readout(super().equations(x, memory).to(x.dtype))

    def drive(self, x: Tensor) -> Tensor:
        """Compute the input's part of the LSTM's gates, [*, 4 hidden_size]."""
        return self.input(x)

    def row(self, drive: Tensor, states: States) -> tuple[Tensor, States]:
        """Move the LSTM and the memory by one row; see `RowLoop.row`."""
        seen = torch.cat([states["hidden"], states["reads"].flatten(1)], dim=-1)
        gates, candidate = self.recurrent.plus(drive, seen).split(
            [3 * self.hidden_size, self.hidden_size], dim=-1
        )
        take, keep, show = gates.sigmoid().chunk(3, dim=-1)
        cell = torch.addcmul(keep * states["cell"], take, candidate.tanh())
        hidden = show * cell.tanh()
        memory = self._access(self.interface(hidden), states)
        y = torch.cat([hidden, memory["reads"].flatten(1)], dim=-1)
        return y, {"hidden": hidden, "cell": cell, **memory}

    def _access(self, interface: Tensor, states: States) -> States:
        """Write, then read, as the LSTM says, [B, n]; returns the memory's states after it."""
        keys, values, strengths, modes, gates = interface.split(self._interface_sizes(), dim=-1)
        reads, last_written, last_read = self.num_reads, states["write_weights"], states["read_weights"]
        keys, strengths = keys.unflatten(-1, (reads + 1, -1)), 1 + softplus(strengths)
        erased, free, allocated, written = gates.sigmoid().split([self.word_size, reads, 1, 1], dim=-1)

        kept = reduce(torch.mul, (1 - free.unsqueeze(-1) * last_read).unbind(1))
        usage = (states["usage"] + last_written - states["usage"] * last_written) * kept
        found = content_weights(states["slots"], keys[:, reads:], strengths[:, reads:]).squeeze(1)
        written = written * torch.lerp(found, allocation_weights(usage), allocated)
        at = written.unsqueeze(-1)
        slots = states["slots"] * (1 - at * erased.unsqueeze(1)) + at * values.unsqueeze(1)

        links, precedence = linked(states["links"], states["precedence"], written)
        backward, found, forward = modes.unflatten(-1, (reads, 3)).softmax(dim=-1).split(1, dim=-1)
        read = backward * (last_read @ links) + forward * (last_read @ links.mT)
        read = read + found * content_weights(slots, keys[:, :reads], strengths[:, :reads])
        return {
            "slots": slots,
            "usage": usage,
            "links": links,
            "precedence": precedence,
            "write_weights": written,
            "read_weights": read,
            "reads": read @ slots,
        }

    def _interface_sizes(self) -> list[int]:
        """Count what the LSTM says: keys, those of reading first, v; strengths alike; modes π; e, f, α and g."""
        word, reads = self.word_size, self.num_reads
        return [(reads + 1) * word, word, reads + 1, 3 * reads, word + reads + 2]
