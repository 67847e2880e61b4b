"""A window over the last inputs of the episode: memory without recurrence."""

import torch
from tensordict import TensorDict
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from memory_cores.base import MemoryCore, pack_carry, positive_int, select_initial, take_rows
from memory_cores.card import CoreCard


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

    carry_keys = ("frames", "is_valid")
    no_gradient_keys = ("is_valid",)
    card = CoreCard(
        family="other",
        step_cost="O(H (w I + H)), window w",
        training_cost="O(T H (w I + H)); rows are independent",
        horizon="exactly w - 1 rows back",
        choose_when="A control, and enough where the last few observations tell all. Not for anything longer.",
    )

    def __init__(self, input_size: int, hidden_size: int = 256, window: int = 4) -> None:
        super().__init__(input_size, positive_int("hidden_size", hidden_size))
        self.window = positive_int("window", window)
        self.mix = nn.Linear(window * (input_size + 1), hidden_size)
        self.readout = nn.Linear(hidden_size, hidden_size)

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Return an empty window: `frames` [B, window - 1, input_size], `is_valid` [B, window - 1] bool."""
        frames = self.mix.weight.new_zeros(batch_size, self.window - 1, self.input_size)
        is_valid = frames.new_zeros(batch_size, self.window - 1, dtype=torch.bool)
        return TensorDict({"frames": frames, "is_valid": is_valid}, batch_size=[batch_size])

    def carry_features(self, carry: TensorDict) -> Tensor:
        """Read the frames, zero where there is none, [..., (window - 1) * input_size]."""
        return torch.where(carry["is_valid"].unsqueeze(-1), carry["frames"], 0.0).flatten(-2)

    def _sequence(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, every: int, host_is_first: Tensor | None
    ) -> tuple[Tensor, TensorDict]:
        length = x.shape[1]
        rows = torch.cat([carry["frames"], x.to(carry["frames"].dtype)], dim=1)
        is_row = torch.cat([carry["is_valid"], torch.ones_like(is_first)], dim=1)
        # A frame is of this episode if as many episodes have begun up to it as up to the present row.
        begun = is_first.cumsum(dim=1)
        episode = torch.cat([torch.zeros_like(carry["is_valid"], dtype=begun.dtype), begun], dim=1)
        frames = torch.stack([rows[:, lag : lag + length] for lag in range(self.window)], dim=2)
        is_valid = torch.stack(
            [
                is_row[:, lag : lag + length] & (episode[:, lag : lag + length] == begun)
                for lag in range(self.window)
            ],
            dim=2,
        )  # [B, T, window], the present row last
        frames = select_initial(~is_valid, 0.0, frames)
        kept = {
            "frames": take_rows(frames[:, :, 1:], every),
            "is_valid": take_rows(is_valid[:, :, 1:], every),
        }
        return self._read(frames, is_valid), pack_carry(is_first, every, **kept)

    def _step(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, donate: bool
    ) -> tuple[Tensor, TensorDict]:
        # The window is a small new tensor in any case, so there is nothing to gain from overwriting it.
        is_valid = carry["is_valid"] & ~is_first.unsqueeze(-1)
        is_valid = torch.cat([is_valid, torch.ones_like(is_first).unsqueeze(-1)], dim=1)
        frames = torch.cat([carry["frames"], x.to(carry["frames"].dtype).unsqueeze(1)], dim=1)
        frames = select_initial(~is_valid, 0.0, frames)
        kept = {"frames": frames[:, 1:], "is_valid": is_valid[:, 1:]}
        return self._read(frames, is_valid), TensorDict(kept, batch_size=carry.batch_size)

    def _read(self, frames: Tensor, is_valid: Tensor) -> Tensor:
        """Map windows [..., window, input_size] and their flags [..., window] to [..., hidden_size]."""
        seen = torch.cat([frames, is_valid.unsqueeze(-1).to(frames.dtype)], dim=-1).flatten(-2)
        return leaky_relu(self.readout(leaky_relu(self.mix(seen))))
