"""An agent that learns from a replay: it stores what is collected, and learns from batches of it as often as is due."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.base import Agent
from engram.agents.diagnosis import read_metrics, read_metrics_with
from engram.agents.replay.batch import Batch
from engram.agents.replay.layout import Layout, carry_columns, plan_layout, row_columns
from engram.agents.replay.priorities import window_priorities
from engram.agents.replay.random_actions import RandomActions
from engram.agents.replay.replay import Replay
from engram.agents.replay.settings import PrioritizedReplaySettings, ReplayAgentSettings
from engram.agents.replay.storage import Storage
from engram.agents.trainable import Metrics, Updates
from engram.common.ranks import Ranks
from engram.common.rows import Act, Rollout
from engram.common.streams import stream_noise
from engram.run_files.run_folder import REPLAY_FOLDER


class ReplayAgent(Agent):
    """An agent whose `learn_from` takes a `Batch` of stored rows.

    It owns its replay: after each rollout, which is stored, it makes as many updates as its `train_ratio` asks for by
    then. That number follows from the transitions stored and the batches drawn so far, both of which a checkpoint
    holds, so a continued run owes nothing and repeats nothing. `learn_from` may write to `self.replay`, as of the
    priorities of a batch's windows.

    Args:
        observation_space: single Gymnasium space of the observations.
        action_space: single Gymnasium space of the actions.
        settings: all other options.

    Attributes:
        replay: open from `open_files` on.
        acts_in_bounds: whether Box actions of its policy lie in [-1, 1].

    Raises:
        ValueError: for an option that cannot work.
    """

    settings: ReplayAgentSettings
    acts_in_bounds: bool = False
    learns_in_any_order = False

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, settings: ReplayAgentSettings
    ) -> None:
        super().__init__(observation_space, action_space, settings)
        self._check_episodes()
        self.prefill, self.log_interval = settings.replay.prefill, settings.replay.log_interval
        self.carry_every = self._carry_every()
        self._replay: Replay | None = None
        self._random_actions = RandomActions(
            self.act, action_space, settings.seed, self.acts_in_bounds, settings.replay.prefill_repeat
        )

    @abstractmethod
    def learn_from(self, batch: Batch, env_steps: int) -> Metrics:
        """Make one update from a batch; see `Agent.learn_from`."""

    def draw(self, batch: Batch) -> dict[str, Tensor]:
        """Draw pictures of a batch that is not learnt from, see `Trainable.pictures`; by default none."""
        return {}

    def stored_carry(self, carry: TensorDictBase) -> TensorDict:
        """Select from the agent's carry `[B]` what a window needs to begin with: all but the streams of noise."""
        return carry.exclude("noise_key", "noise_counter")

    @property
    def replay(self) -> Replay:
        """The rows collected so far, and batches of them."""
        assert self._replay is not None, "open_files comes before the replay"
        return self._replay

    def policy(self, env_steps: int) -> Act:
        """Act at random until the prefill is over, if the options say so; else as `Agent.policy`."""
        if self._acts_at_random(env_steps):
            return self._random_actions.act_from(self.replay.num_rows, self.ranks.rank)
        return super().policy(env_steps)

    def actor_policy(self, env_steps: int, num_rows: int, seat: int) -> Act:
        """The same for an actor, which has no replay; see `Trainable.actor_policy`."""
        if self._acts_at_random(env_steps):
            return self._random_actions.act_from(num_rows, seat)
        return super().policy(env_steps)

    def _acts_at_random(self, env_steps: int) -> bool:
        return self.settings.replay.prefill_policy == "random" and env_steps < self.prefill

    def updates(self, rollout: Rollout | None, env_steps: int) -> Updates:
        """Store the rollout, and say which updates are due; see `Trainable.updates`."""
        if rollout is not None:
            self.update_normalizers(rollout.rows)
            self.replay.extend(rollout.rows, rollout.carries)
        due = self.num_updates_due(self.replay.num_steps, self.replay.num_batches)
        return Updates(due, lambda: self.update(self.replay.sample(), env_steps))

    def update_normalizers(self, rows: TensorDictBase) -> None:
        """Take the observations of collected rows into the networks' running statistics; by default there are none."""

    def read_metrics(
        self,
        batch: Batch,
        error: Tensor,
        mask: Tensor,
        metrics: Mapping[str, Tensor],
        seen: Mapping[str, Any],
    ) -> Metrics:
        """Bring an update's metrics to the host, and give the batch's windows priorities, if they were drawn by these.

        Both come in one copy, so that the next draw knows them already.

        Args:
            batch: as of `learn_from`.
            error: of every row's value, `[B, T]`.
            mask: rows that count, `[B, T]` bool.
            metrics: as of `engram.agents.diagnosis.read_metrics`.
            seen: likewise.

        Raises:
            FloatingPointError: likewise; then no priority is changed.
        """
        if batch.windows is None:
            return read_metrics(metrics, seen, self.ranks)
        assert isinstance(self.settings.replay, PrioritizedReplaySettings)
        priorities = window_priorities(error, mask, self.settings.replay.max_priority_weight)
        priorities, found = read_metrics_with(priorities, metrics, seen, self.ranks)
        self.replay.set_priorities(batch.windows, priorities)
        found["replay/largest_weight"] = batch.windows.largest_weight
        found["replay/effective_share"] = batch.windows.effective_share
        return found

    def why_alone(self, ranks: Ranks) -> str | None:
        """See `LearnedState.why_alone`."""
        if ranks.local_count != ranks.count:
            return "all of them share the files of its replay, so they must run on one machine"
        if self.settings.batch_size < ranks.count:
            return f"agent.batch_size is {self.settings.batch_size}, and each of {ranks.count} draws a part of it"
        return None if self.auxiliary is None else "agent.auxiliary has losses that are not written for it"

    def lane_noise(self, key: Tensor, *shape: int, dim: int = 0) -> Tensor:
        """Draw uniform numbers as `stream_noise` does, of a batch's lanes those that are this rank's.

        Args:
            key: as of `stream_noise`.
            *shape: of the numbers of this rank.
            dim: where the rank's lanes are, one after the other, each with as many.
        """
        if not self.ranks.is_many:
            return stream_noise(key, *shape)
        lanes = self.replay.lanes
        each = shape[dim] // (lanes.stop - lanes.start)
        whole = [*shape[:dim], self.settings.batch_size * each, *shape[dim + 1 :]]
        return stream_noise(key, *whole).narrow(dim, lanes.start * each, shape[dim])

    def num_updates_due(self, num_steps: int, num_batches: int) -> int:
        """Count the updates that the train ratio asks for.

        Args:
            num_steps: transitions stored so far.
            num_batches: learned from so far.
        """
        rows_per_batch = self.settings.batch_size * self.settings.batch_length
        rows_due = max(0, num_steps - self.prefill) * self.settings.train_ratio
        return max(0, int(rows_due / rows_per_batch) - num_batches)

    def check_run(self, num_envs: int) -> None:
        """Refuse a prefill that is too short; see `Trainable`."""
        window = self.settings.window_length
        if self.prefill < num_envs * window:
            raise ValueError(
                f"Before the first update every environment must have stored a window: expected agent.replay.prefill "
                f">= {num_envs} environments x {window} rows = {num_envs * window}, but got {self.prefill}; raise it "
                "or take shorter windows."
            )

    def why_no_captured_rollouts(self) -> str | None:
        """See `Trainable.why_no_captured_rollouts`."""
        if self.settings.replay.prefill_policy != "random":
            return None
        return "captured rollouts hold one policy, the agent's, but agent.replay.prefill_policy is random"

    def check_rows(self, row: TensorDictBase) -> None:
        """Refuse limits in which no window of such rows has room; see `Trainable`."""
        self._layout(row)

    def open_files(self, run_dir: Path, row: TensorDictBase, is_new: bool) -> None:
        """Make or open the replay, which all ranks share; see `Trainable`."""
        settings, folder, layout = self.settings, run_dir / REPLAY_FOLDER, self._layout(row)
        if not self.ranks.is_leader:
            self.ranks.meet()  # the leader has made it
        makes = is_new and self.ranks.is_leader
        storage = Storage.create(folder, layout) if makes else Storage.open(folder, layout)
        if self.ranks.is_leader:
            self.ranks.meet()
        self._replay = Replay(
            storage,
            batch_size=settings.batch_size,
            batch_length=settings.batch_length,
            burn_in=settings.burn_in,
            initial_carry=self.initial_carry,
            stored_carry=self.stored_carry,
            **settings.replay.draws(),
            seed=settings.seed,
            device=self.device,
            ranks=self.ranks,
        )

    def run_state(self) -> dict[str, Any]:
        """Where the replay stands, brought onto the disk; see `Trainable`."""
        return {"replay": self.replay.state_dict()}

    def run_state_form(self) -> dict[str, Any]:
        """What that looks like; see `Trainable`."""
        return {"replay": Replay.state_form(self.settings.replay.sampling)}

    def load_run_state(self, state: Mapping[str, Any]) -> None:
        """Go on where the replay stood; see `Trainable`."""
        self.replay.load_state_dict(state["replay"])

    def mark_saved(self) -> None:
        """Let the replay overwrite what only older checkpoints need; see `Trainable`."""
        self.replay.ring.mark_saved()

    def needs_checkpoint(self) -> bool:
        """Tell whether the next rollout would overwrite what a checkpoint needs; see `Trainable`."""
        return self.replay.ring.needs_checkpoint(self.rollout_length)

    def pictures(self) -> dict[str, Tensor]:
        """Draw a batch that is not learnt from, once a window is stored; see `Trainable`."""
        if self.replay.num_rows < self.replay.window_length:
            return {}
        return self.draw(self.replay.preview())

    def _check_episodes(self) -> None:
        """Refuse what does not go with whole episodes."""
        settings = self.settings
        if settings.replay.sampling == "episodes" and (settings.burn_in or settings.carry_from == "stored"):
            raise ValueError(
                "Whole episodes begin with the initial carry and without a burn-in: with agent.replay.sampling="
                "episodes expected agent.carry_from=initial and agent.burn_in=0, but got "
                f"{settings.carry_from!r} and {settings.burn_in}; set both."
            )
        if settings.replay.rewarded_share and settings.replay.sampling != "episodes":
            raise ValueError(
                "A share of episodes with a reward needs episodes that are drawn: with agent.replay.rewarded_share="
                f"{settings.replay.rewarded_share} expected agent.replay.sampling=episodes, but got "
                f"{settings.replay.sampling!r}; set it, or the share to 0."
            )

    def _carry_every(self) -> int:
        """Rows between two carries that the driver must hand out."""
        every, length = self.settings.store_carry_every, self.rollout_length
        if self.settings.carry_from == "initial":
            return length
        if every % length and length % every:
            raise ValueError(
                "Stored carries must fall together with rollouts: expected agent.replay.store_carry_every to be a "
                f"divisor or a multiple of the agent's rollout_length {length}, but got {every}; change one of them."
            )
        return min(every, length)

    def _layout(self, row: TensorDictBase) -> Layout:
        """Plan the replay's files for the environments' pending row `[num_envs]`, and those of other ranks."""
        num_envs, limits = row.batch_size[0] * self.ranks.count, self.settings.replay
        is_stored = self.settings.carry_from == "stored"
        # Without either, windows begin at any row.
        carry_every = self.settings.store_carry_every if is_stored or limits.sampling == "prioritized" else 1
        stored = self.stored_carry(self.initial_carry(1))
        return plan_layout(
            num_envs,
            row_columns(row),
            limits.capacity_bytes,
            window_length=self.settings.window_length,
            block_length=self.rollout_length,
            carries=carry_columns(stored, carry_every, limits.max_carry_bytes) if is_stored else (),
            carry_every=carry_every,
        )
