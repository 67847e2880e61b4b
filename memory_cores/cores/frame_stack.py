"""A window over the last inputs of the episode: memory without recurrence."""

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from engram.common.dense import Linear
from engram.common.option_types import Size
from engram.memory_cores.base import MemoryCore
from engram.memory_cores.card import CoreCard
from engram.memory_cores.carry import CarrySpec, Leaf
from engram.memory_cores.memory import Memory


class FrameStack(MemoryCore):
    """A two-layer network over the last `window` inputs of the episode, the present one included.

    A frame before the episode's beginning is no frame: it is selected out, and a flag says so to the
    network, since a frame of zeros means something else.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the hidden layer and of the output. Default: 256.
        window: Number of frames seen. Default: 4.

    Source: Mnih et al., "Human-level control through deep reinforcement learning", 2015 (stacking);
    window of 4 on memory tasks: Morad et al., "POPGym", 2023.
    """

    card = CoreCard(
        family="other",
        step_cost="O(H (w I + H)), window w",
        training_cost="O(T H (w I + H)); rows are independent",
        memory_length="exactly w - 1 rows back",
        choose_when="The last few observations tell all, and as a control. Not for anything longer.",
        shown_by="popgym/position_only_cart_pole_easy",
    )

    def __init__(self, input_size: Size, hidden_size: Size = 256, window: Size = 4) -> None:
        super().__init__(input_size, hidden_size)
        self.window = window
        self.mix = Linear(window * (input_size + 1), hidden_size)
        self.readout = Linear(hidden_size, hidden_size)

    def carry_spec(self) -> CarrySpec:
        """State an empty window: `frames` [B, window - 1, input_size], `is_valid` [B, window - 1] bool."""
        earlier = self.window - 1
        return {"frames": Leaf((earlier, self.input_size), "stored"), "is_valid": Leaf((earlier,), "flag")}

    def equations(self, x: Tensor, memory: Memory) -> Tensor:
        """Read the window of each row, [*, hidden_size]."""
        is_valid = memory.window("is_valid", torch.ones_like(memory.is_first), self.window)
        frames = memory.window("frames", x, self.window, is_valid)  # [*, window, input_size]
        seen = torch.cat([frames, is_valid.unsqueeze(-1).to(frames.dtype)], dim=-1).flatten(-2)
        return leaky_relu(self.readout(leaky_relu(self.mix(seen))))
