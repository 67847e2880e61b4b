"""The replay: rows of many environments on disk, and batches of windows drawn from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.replay.batch import Batch
from engram.agents.replay.ring import Ring
from engram.agents.replay.storage import Storage
from engram.agents.replay.windows import Sampling, draw_windows
from engram.common.cuda_graph import to_device
from engram.common.state_form import Whole
from engram.common.streams import stream_key


class Replay:
    """Stores rows and draws batches; the n-th batch depends on the seed, n and the rows alone.

    Args:
        storage: the files.
        batch_size: windows per batch B.
        batch_length: rows per window that count.
        burn_in: rows before them that do not.
        initial_carry: makes the agent's carry for so many windows. With stored carries it is not needed.
        stored_carry: selects from the agent's carry what the layout's carry columns hold.
        sampling: see `engram.agents.replay.windows.draw_windows`.
        seed: of the draws.
        device: where batches go. On the CPU they are the replay's own tensors, which the next batch overwrites.

    Attributes:
        ring: where the rows are.
        num_batches: drawn so far by `sample`.
        num_steps: transitions stored so far: rows that are not `is_first`, over all environments.
        window_length: rows per window T.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        batch_size: int,
        batch_length: int,
        burn_in: int = 0,
        initial_carry: Callable[[int], TensorDict],
        stored_carry: Callable[[TensorDictBase], TensorDict] | None = None,
        sampling: Sampling = "uniform",
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.ring, self.num_batches, self.num_steps = Ring(storage), 0, 0
        self.batch_size, self.burn_in, self.window_length = batch_size, burn_in, burn_in + batch_length
        self._initial_carry, self._stored_carry = initial_carry, stored_carry
        self._sampling, self._seed, self._device = sampling, seed, torch.device(device)
        shape = (batch_size, self.window_length)
        self._rows = TensorDict({"is_cut": torch.empty(shape, dtype=torch.bool)}, batch_size=shape)
        self._next_is_first = torch.empty(shape, dtype=torch.bool)
        self._arrays = {}
        for column in self.ring.layout.rows:
            buffer = torch.empty((*shape, *column.shape), dtype=column.dtype)
            self._rows[column.key] = buffer
            self._arrays[column] = buffer.numpy()
        (self._is_first,) = (column for column in self._arrays if column.key == ("is_first",))

    @property
    def num_rows(self) -> int:
        """Rows stored so far in each environment."""
        return self.ring.num_rows

    def extend(self, rows: TensorDictBase, carries: TensorDictBase) -> None:
        """Append a rollout.

        Args:
            rows: `[num_envs, T]`.
            carries: the agent's carries before rows 0, j, 2j, … `[num_envs, ceil(T / j)]`, where j is the
                layout's `carry_every`, or T if that is less. One of the two is a multiple of the other.
        """
        layout, stored = self.ring.layout, None
        # A rollout shorter than carry_every brings a carry to be stored only now and then.
        if layout.carries and self.num_rows % layout.carry_every == 0:
            assert self._stored_carry is not None
            parts = [self._stored_carry(carries[:, index]) for index in range(carries.batch_size[1])]
            stored = torch.stack(parts, dim=1)
        before = self.num_rows
        self.ring.extend(rows, stored)
        # Counted in the replay's own memory: rows on a device would be waited for.
        is_first = self.ring.storage.tensors[self._is_first]
        for first, last in self.ring.storage.spans(self._is_first, before, self.num_rows):
            self.num_steps += int((~is_first[:, first:last]).sum())

    def sample(self) -> Batch:
        """Draw the next batch."""
        batch = self._draw(stream_key(self._seed, "replay", self.num_batches))
        self.num_batches += 1
        return batch

    def preview(self) -> Batch:
        """Draw a batch to look at; the batches of `sample` stay what they are."""
        return self._draw(stream_key(self._seed, "replay preview", self.num_batches))

    def _draw(self, key: int) -> Batch:
        """Copy the windows that `key` stands for into the batch's tensors."""
        ring, carry_every = self.ring, self.ring.layout.carry_every
        # Windows begin at multiples of `carry_every`: from `oldest` rounded up to `window_length` before the end.
        first, last = -(-ring.oldest // carry_every), (ring.num_rows - self.window_length) // carry_every
        if last < first:
            raise ValueError(
                f"A window needs {self.window_length} rows of every environment, but {ring.num_rows} are stored; "
                "add more first."
            )
        num_envs, num_starts = ring.layout.num_envs, last - first + 1
        envs, ages = draw_windows(key, self.batch_size, num_envs, num_starts, self._sampling)
        starts = (last - ages) * carry_every
        env_list, start_list = envs.tolist(), starts.tolist()
        for column, array in self._arrays.items():
            ring.read(column, env_list, start_list, array)
        rows = self._rows
        self._find_cuts(env_list, start_list, rows["is_cut"])
        is_trained = ~rows["is_cut"]
        is_trained[:, : self.burn_in] = False
        if ring.layout.carries:
            carry = self._read_carry(envs, starts)
        else:
            rows["is_first"][:, 0] = True
            carry = self._initial_carry(self.batch_size)
        return Batch(to_device(rows, self._device), carry, to_device(is_trained, self._device))

    def _find_cuts(self, envs: list[int], starts: list[int], is_cut: Tensor) -> None:
        """Mark rows that end without `is_last` because the next one stored begins another episode, `[B, T]`."""
        after = self._next_is_first
        self.ring.read(self._is_first, envs, [start + 1 for start in starts], after.numpy())
        for window, start in enumerate(starts):
            if start + self.window_length == self.num_rows:
                after[window, -1] = False  # the newest row: what follows is not known yet
        torch.logical_and(after, ~self._rows["is_last"], out=is_cut)

    def _read_carry(self, envs: Tensor, starts: Tensor) -> TensorDict:
        carry = TensorDict({}, batch_size=[self.batch_size])
        for column in self.ring.layout.carries:
            carry[column.key] = to_device(self.ring.read_carries(column, envs, starts), self._device)
        return carry

    def state_dict(self) -> dict[str, Any]:
        """Bring all rows onto the disk and return where they are: JSON values."""
        return {
            "num_batches": self.num_batches,
            "num_steps": self.num_steps,
            "ring": self.ring.state_dict(),
        }

    @staticmethod
    def state_form() -> dict[str, Any]:
        """What a stored state must look like, see `engram.common.state_form`."""
        return {"num_batches": Whole(), "num_steps": Whole(), "ring": Ring.state_form()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where the state was taken; see `Ring.load_state_dict`."""
        self.ring.load_state_dict(state["ring"])
        self.num_batches, self.num_steps = state["num_batches"], state["num_steps"]
