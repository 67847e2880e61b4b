"""The replay: rows of many environments on disk, and batches drawn from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.replay.batch import Batch, DrawnWindows
from engram.agents.replay.episodes import Episodes
from engram.agents.replay.priorities import Priorities
from engram.agents.replay.reader import Reader
from engram.agents.replay.ring import ALL, Ring
from engram.agents.replay.storage import Storage
from engram.agents.replay.windows import Sampling, draw_windows
from engram.common.cuda_graph import to_device
from engram.common.ranks import ALONE, Ranks
from engram.common.state_form import Whole
from engram.common.streams import stream_key


class Replay:
    """Stores rows and draws batches; the n-th batch depends on the seed, n, the rows and the priorities alone.

    Args:
        storage: the files.
        batch_size: lanes per batch B.
        batch_length: rows per lane that count.
        burn_in: rows before them that do not; none with `episodes`.
        initial_carry: makes the agent's carry for so many lanes. With stored carries it is not needed.
        stored_carry: selects from the agent's carry what the layout's carry columns hold.
        sampling: windows, `uniform` or by `recency` (`engram.agents.replay.windows`), `prioritized`
            (`engram.agents.replay.priorities`), or whole `episodes` (`engram.agents.replay.episodes`).
        priority_exponent: α, of `prioritized`.
        importance_exponent: β, of `prioritized`.
        rewarded_share: of `episodes`: chance of every draw to be one among those with a reward.
        seed: of the draws.
        device: where batches go. On the CPU they are the replay's own tensors, which the next batch overwrites.
        ranks: processes that share the files. Each adds the rows of its environments and draws its lanes of every
            batch, which may be of any; all do so at the same time.

    Attributes:
        ring: where the rows are.
        num_batches: drawn so far by `sample`.
        num_steps: transitions stored so far: rows that are not `is_first`, over all environments.
        window_length: rows per lane T.
        lanes: those of a batch that are drawn here.
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
        priority_exponent: float = 0.9,
        importance_exponent: float = 0.6,
        rewarded_share: float = 0.0,
        seed: int = 0,
        device: str | torch.device = "cpu",
        ranks: Ranks = ALONE,
    ) -> None:
        envs = ranks.part(storage.layout.num_envs) if ranks.is_many else ALL
        self.ring, self.num_batches, self.num_steps = Ring(storage, envs), 0, 0
        self._ranks, self.lanes = ranks, ranks.part(batch_size)
        self._num_lanes = self.lanes.stop - self.lanes.start
        self.batch_size, self.burn_in, self.window_length = batch_size, burn_in, burn_in + batch_length
        self._initial_carry, self._stored_carry = initial_carry, stored_carry
        self._sampling, self._seed, self._device = sampling, seed, torch.device(device)
        self._reader = Reader(self.ring, self._num_lanes, self.window_length)
        self._priorities = self._episodes = None
        if sampling == "prioritized":
            self._priorities = Priorities(
                storage.layout,
                self.window_length,
                exponent=priority_exponent,
                importance_exponent=importance_exponent,
            )
        if sampling == "episodes":
            self._episodes = Episodes(self.ring, self.window_length, rewarded_share)

    _priorities: Priorities | None
    _episodes: Episodes | None

    @property
    def num_rows(self) -> int:
        """Rows stored so far in each environment."""
        return self.ring.num_rows

    def extend(self, rows: TensorDictBase, carries: TensorDictBase) -> None:
        """Append a rollout.

        Args:
            rows: `[num_envs, T]`, of this process's environments.
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
        self._ranks.meet()  # the rows of all are there
        # Counted in the replay's own memory: rows on a device would be waited for.
        column = layout.column("is_first")
        is_first = self.ring.storage.tensors[column]
        for first, last in self.ring.storage.spans(column, before, self.num_rows):
            self.num_steps += int((~is_first[:, first:last]).sum())
        if self._priorities is not None:
            self._priorities.extend(self.ring.oldest, self.num_rows)
        if self._episodes is not None:
            self._episodes.extend(before)

    def sample(self) -> Batch:
        """Draw the next batch."""
        batch = self._draw(stream_key(self._seed, "replay", self.num_batches))
        self.num_batches += 1
        return batch

    def preview(self) -> Batch:
        """Draw a batch to look at; the batches of `sample` stay what they are."""
        return self._draw(stream_key(self._seed, "replay preview", self.num_batches))

    def set_priorities(self, windows: DrawnWindows, priorities: Tensor) -> None:
        """Say how much there is to learn from windows of a batch, which may be an earlier one.

        Args:
            windows: of the batch.
            priorities: p, in host memory, 0 or more, of the lanes that were drawn here.
        """
        assert self._priorities is not None, "only prioritized batches have windows to be given priorities"
        self._priorities.set(windows.envs, windows.starts, self._ranks.gather_rows(priorities))

    def _draw(self, key: int) -> Batch:
        """Copy the rows that `key` stands for into the batch's tensors."""
        if self._episodes is not None:
            in_envs, numbers = self._episodes.draw(key, self.batch_size)
            rows = self._reader.read_episodes(in_envs[self.lanes], numbers[self.lanes])
            return self._batch(rows, self._initial_carry(self._num_lanes))
        envs, starts, windows = self._draw_windows(key)
        envs, starts = envs[self.lanes], starts[self.lanes]
        rows = self._reader.read_windows(envs.tolist(), starts.tolist())
        if self.ring.layout.carries:
            return self._batch(rows, self._read_carry(envs, starts), windows)
        rows["is_first"][:, 0] = True
        return self._batch(rows, self._initial_carry(self._num_lanes), windows)

    def _batch(self, rows: TensorDict, carry: TensorDict, windows: DrawnWindows | None = None) -> Batch:
        is_trained = ~rows["is_cut"]
        is_trained[:, : self.burn_in] = False
        on_device, counts = to_device(rows, self._device), to_device(is_trained, self._device)
        return Batch(on_device, carry, counts, windows, host_is_first=rows["is_first"])

    def _draw_windows(self, key: int) -> tuple[Tensor, Tensor, DrawnWindows | None]:
        """Draw environments and first rows of all lanes, `[B]`."""
        ring, every = self.ring, self.ring.layout.carry_every
        # Windows begin at multiples of `every`: from `oldest` rounded up to `window_length` before the end.
        first, last = -(-ring.oldest // every), (ring.num_rows - self.window_length) // every
        if last < first:
            raise ValueError(
                f"A window needs {self.window_length} rows of every environment, but {ring.num_rows} are stored; "
                "add more first."
            )
        if self._priorities is not None:
            drawn = self._priorities.draw(key, self.batch_size)
            weights = to_device(drawn.weights[self.lanes], self._device)
            return drawn.envs, drawn.starts, replace(drawn, weights=weights)
        num_starts = last - first + 1
        envs, ages = draw_windows(
            key, self.batch_size, ring.layout.num_envs, num_starts, self._sampling == "recency"
        )
        return envs, (last - ages) * every, None

    def _read_carry(self, envs: Tensor, starts: Tensor) -> TensorDict:
        carry = TensorDict({}, batch_size=[self._num_lanes])
        for column in self.ring.layout.carries:
            carry[column.key] = to_device(self.ring.read_carries(column, envs, starts), self._device)
        return carry

    def state_dict(self) -> dict[str, Any]:
        """Bring all rows onto the disk and return where they are, and the priorities: JSON values and tensors."""
        state = {"num_batches": self.num_batches, "num_steps": self.num_steps, "ring": self.ring.state_dict()}
        if self._priorities is not None:
            state["priorities"] = self._priorities.state_dict()
        return state

    @staticmethod
    def state_form(sampling: Sampling) -> dict[str, Any]:
        """What a stored state must look like, see `engram.common.state_form`."""
        form = {"num_batches": Whole(), "num_steps": Whole(), "ring": Ring.state_form()}
        return {**form, "priorities": Priorities.state_form()} if sampling == "prioritized" else form

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where the state was taken; see `Ring.load_state_dict`."""
        self.ring.load_state_dict(state["ring"])
        self.num_batches, self.num_steps = state["num_batches"], state["num_steps"]
        if self._priorities is not None:
            self._priorities.load_state_dict(state["priorities"], self.ring.oldest, self.num_rows)
        if self._episodes is not None:
            self._episodes.extend(0)
