"""Encoder → memory core: what the heads of a recurrent network read, for acting and learning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.encoder import Encoder
from engram.agents.networks.heads import Encoded, beside
from engram.agents.outlook import Outlook, Output
from engram.common.checked import Checked
from engram.memory_cores import MemoryCore, Resets


class MakeCore(Protocol):
    """A core that waits for its input size."""

    def __call__(self, *, input_size: int) -> MemoryCore: ...  # noqa: D102


class RecurrentNetwork(Checked, nn.Module):
    """A memory core behind an encoder; a network derived from it adds heads.

    Args:
        observation_space: single Gymnasium space.
        action_space: single Gymnasium space.
        make_core: builds a memory core from `input_size`.
        make_encoder: builds the encoder from the two spaces.
        core_norm: LayerNorm of the core's output.
        shortcut: the heads read the encoder's features beside the core's output.

    Attributes:
        feature_size: what the heads read of a row.

    Raises:
        ValueError: for a space that agents cannot read or act in.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        make_encoder: Callable[..., Encoder],
        core_norm: bool,
        shortcut: bool,
    ) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.encoder = make_encoder(observation_space, action_space)
        self.core = make_core(input_size=self.encoder.output_size)
        self.norm = nn.LayerNorm(self.core.output_size) if core_norm else nn.Identity()
        self.feature_size = self.core.output_size + (self.encoder.output_size if shortcut else 0)

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Carry of the core, `[B]`."""
        return TensorDict({"core": self.core.initial_carry(batch_size)}, batch_size=[batch_size])

    def encode(
        self,
        rows: TensorDictBase,
        carry: TensorDictBase,
        host_is_first: Tensor | None = None,
        burn_in: int = 0,
    ) -> Encoded:
        """Run encoder and core over a sequence, by one call of the core.

        Args:
            rows: `[B, T]`.
            carry: before row 0, `[B]`.
            host_is_first: the rows' `is_first` in host memory, for the cores' fastest paths on a device.
            burn_in: so many rows at the beginning only warm the memory up, by a call of its own without gradients.

        Returns:
            Of rows `[B, T - burn_in]`.
        """
        return run_rows(self.encoder, self.core, rows, carry["core"], host_is_first, burn_in)

    def read_core(self, encoded: Encoded) -> Tensor:
        """What the heads read of encoded rows, `[*, feature_size]`."""
        return beside(self.norm(encoded.y), encoded.x, self.shortcut)

    def features(
        self,
        rows: TensorDictBase,
        carry: TensorDictBase,
        host_is_first: Tensor | None = None,
        burn_in: int = 0,
    ) -> Tensor:
        """What the heads read of every row of a sequence, `[B, T - burn_in, feature_size]`; see `encode`."""
        return self.read_core(self.encode(rows, carry, host_is_first, burn_in))

    def step_features(
        self, row: TensorDictBase, carry: TensorDictBase, donate: bool = False
    ) -> tuple[Tensor, TensorDict]:
        """The same for one row per environment.

        Args:
            row: `[B]`.
            carry: before this row, `[B]`.
            donate: allow the core to overwrite `carry`.

        Returns:
            `[B, feature_size]`, and the carry after this row.
        """
        x = self.encoder(row)
        y, core = self.core.step(x, carry["core"], row["is_first"], donate=donate)
        return self.read_core(Encoded(x, y)), TensorDict({"core": core}, batch_size=row.batch_size)

    def outlook(self, rows: TensorDictBase, carry: TensorDictBase) -> Outlook:
        """Run over rows `[B, T]`, with the carry before row 0, `[B]`; see `Agent.outlook`."""
        encoded = self.encode(rows, carry)
        return Outlook(self.core, carry["core"], encoded.x, encoded.y, self.outputs(rows, encoded))

    def outputs(self, rows: TensorDictBase, encoded: Encoded) -> dict[str, Output]:
        """State what the heads make of encoded rows, by the names of `Outlook`; here there are none."""
        return {}

    def update_normalizers(self, rows: TensorDictBase) -> None:
        """Take the observations of `rows` into the running statistics, where normalisation is on."""
        self.encoder.observation.update_normalizers(rows)


def run_rows(
    encoder: Encoder,
    core: MemoryCore,
    rows: TensorDictBase,
    carry: TensorDictBase,
    host_is_first: Tensor | None,
    burn_in: int = 0,
) -> Encoded:
    """Run an encoder and a core over a sequence; arguments as of `RecurrentNetwork.encode`, but the core's carry."""
    if burn_in:
        with torch.no_grad():
            early = None if host_is_first is None else host_is_first[:, :burn_in]
            warm = rows[:, :burn_in]
            _, carry = core(encoder(warm), carry, Resets(warm["is_first"], early))
        rows = rows[:, burn_in:]
        host_is_first = None if host_is_first is None else host_is_first[:, burn_in:]
    x = encoder(rows)
    y, _ = core(x, carry, Resets(rows["is_first"], host_is_first))
    return Encoded(x, y)
