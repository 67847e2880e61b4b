"""Steps a VectorEnv with a policy and hands out rollouts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.common.checked import checked
from engram.common.metric_names import LENGTH, RETURN
from engram.common.option_types import Count
from engram.common.ranks import ALONE, Ranks
from engram.common.rows import Act, Rollout
from engram.common.state_form import Maybe, Numbers, Whole
from engram.common.vector_env import VectorEnv
from engram.envs.action_masks import check_masks
from engram.envs.captured import CapturedPlay, check_capture, why_no_captured_rollouts
from engram.envs.finite import check_rollout
from engram.envs.native import NativeVectorEnv
from engram.envs.play import play


class Driver:
    """Holds the pending row and the carry of every environment between rollouts.

    Args:
        env: the environments; the driver alone steps them.
        carry_every: keep the carry before every so many rows, for training on chunks; None keeps the first.
        capture: record some rows, policy and environments together, as a CUDA graph at the first collection and
            replay it from then on: nothing of it waits for the host. Needs native environments on a CUDA device and
            one and the same policy function at every collection.
        ranks: processes that each have a driver, and collect at the same time.

    Raises:
        ValueError: if `carry_every` is not positive, or the environments cannot be captured.

    Attributes:
        env_steps: transitions handed out so far: rows that are not `is_first`, over all environments of all ranks.
        measured: numbers to be logged with a rollout beside its episodes, by name; here none.
    """

    measured: Mapping[str, float] = MappingProxyType({})

    @checked
    def __init__(
        self,
        env: VectorEnv,
        carry_every: Count | None = None,
        capture: bool = False,
        ranks: Ranks = ALONE,
    ) -> None:
        if capture:
            check_capture(why_no_captured_rollouts(env))
        self.env = env
        self.carry_every = carry_every
        self.capture = capture
        self.ranks = ranks
        self._captured: CapturedPlay | None = None
        self.env_steps = 0
        self._row: TensorDict | None = None
        self._carry: TensorDict | None = None
        self._running = self._nothing()

    @property
    def row(self) -> TensorDict:
        """The pending row [B], to be acted on next; read-only."""
        assert self._row is not None, "start comes before the first row"
        return self._row

    @property
    def carry(self) -> TensorDict:
        """The policy's carry before the pending row, [B]; read-only."""
        assert self._carry is not None, "start comes before the first carry"
        return self._carry

    def start(self, seed: int, carry: TensorDict) -> None:
        """Reset the environments and forget everything of before.

        Args:
            seed: of the environments.
            carry: the policy's initial carry, [B].
        """
        self._row = self.env.reset(seed)
        self._carry = carry.clone()
        self.env_steps = 0
        self._running = self._nothing()

    def change_env(self, env: VectorEnv, seed: int) -> None:
        """Go on in other environments of the same spaces; what was running there is left as it is.

        The policy's carry is kept, and reset by itself since each begins an episode.

        Args:
            env: as many, on the same device.
            seed: of theirs.
        """
        self.env, self._captured = env, None
        self._row = env.reset(seed)
        self._running = self._nothing()

    def _nothing(self) -> dict[str, Tensor]:
        """What the episodes that have just begun amount to, by name [B]."""
        count = self.env.num_envs
        dtypes = {RETURN: torch.float64, LENGTH: torch.int64}
        return {name: torch.zeros(count, dtype=dtype) for name, dtype in dtypes.items()}

    @checked
    @torch.no_grad()
    def collect(self, act: Act, rollout_length: Count) -> Rollout:
        """Play `rollout_length` rows in every environment.

        Args:
            act: the policy, `(row, carry) -> action, carry, extras`; it may overwrite the carry it is given.
            rollout_length: T.

        Returns:
            The rollout; its tensors are nobody else's, its episodes those of all ranks.

        Raises:
            ValueError: if the policy gave an action outside of the space (a device clamps it instead).
            EnvironmentFault: if an action mask allows nothing on a row that is not an episode's last.
            FloatingPointError: if an observation or a reward is not a finite number.
        """
        assert self._row is not None and self._carry is not None, "start comes before collect"
        carry_every = rollout_length if self.carry_every is None else self.carry_every
        played = self._played(act, rollout_length, carry_every)
        self._check(played)
        self._row, self._carry = played.pending, played.pending_carry
        return dataclasses.replace(
            played,
            pending=played.pending.clone(),
            pending_carry=played.pending_carry.clone(),
            episodes=self._finish_episodes(played),
        )

    def _played(self, act: Act, rollout_length: int, carry_every: int) -> Rollout:
        """Play from where the last rollout ended, at once or by the recording."""
        assert self._row is not None and self._carry is not None
        if not self.capture:
            return play(self.env, act, self._row, self._carry, rollout_length, carry_every)
        assert isinstance(self.env, NativeVectorEnv)
        if self._captured is None or not self._captured.plays(act, rollout_length, carry_every):
            self._captured = CapturedPlay(self.env, act, rollout_length, carry_every)
        return self._captured(self._row, self._carry)

    def _check(self, played: Rollout) -> None:
        """Refuse what nothing should be learnt from; all rows at once cost nearly nothing.

        The pending row as well: a checkpoint may hold it before the next rollout does.
        """
        rows = played.rows
        check_rollout(self.env, rows, played.pending)
        if isinstance(self.env, NativeVectorEnv) and self.env.device.type == "cpu":
            self.env.action_check.check_rollout(rows["action"], rows["is_last"])
        if "action_mask" in rows.keys():
            check_masks(rows["action_mask"], rows["is_last"], self.env.single_action_space)

    def _finish_episodes(self, played: Rollout) -> dict[str, list[float]]:
        """Update the counters and return what there is to say of the finished episodes, by name."""
        rows = played.rows
        is_last = rows["is_last"].cpu()
        counts = ~rows["is_first"].cpu()
        self.env_steps += self.ranks.total(int(counts.sum()))
        env_index = is_last.nonzero()[:, 0]
        # The running total at an episode's last row, less that at the end of the episode before it.
        follows = torch.zeros_like(env_index, dtype=torch.bool)
        follows[1:] = env_index[1:] == env_index[:-1]
        episodes: dict[str, list[float]] = {}
        amounts = {RETURN: rows["reward"].cpu().double(), LENGTH: counts.long()}
        for name, amount in amounts.items():
            total = amount.cumsum(1) + self._running[name][:, None]  # [B, T]
            ends = total[is_last]  # [episodes], by environment, then time
            before = torch.zeros_like(ends)
            before[1:] = torch.where(follows[1:], ends[:-1], 0)
            episodes[name] = (ends - before).tolist()
            running = total[:, -1].clone()
            final = torch.ones_like(follows)
            final[:-1] = ~follows[1:]
            running[env_index[final]] -= ends[final]
            self._running[name] = running
        if len(env_index):
            for name, reported in played.reports.items():
                values = reported.cpu()[is_last]
                episodes[name] = values[~values.isnan()].tolist()
        return self._episodes_of_all(episodes)

    def _episodes_of_all(self, episodes: dict[str, list[float]]) -> dict[str, list[float]]:
        """Put those of all ranks together, in the order of the environments."""
        if not self.ranks.is_many or not self.ranks.any(bool(episodes[RETURN])):
            return episodes
        found = self.ranks.collect(episodes)
        names = dict.fromkeys(name for own in found for name in own)
        return {name: [value for own in found for value in own.get(name, [])] for name in names}

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to continue: the environments, the carry and the counters."""
        assert self._carry is not None, "start comes before state_dict"
        return {
            "env": self.env.state_dict(),
            "carry": self._carry.clone().to_dict(),
            "episode_return": self._running[RETURN].clone(),
            "episode_length": self._running[LENGTH].clone(),
            "env_steps": self.env_steps,
        }

    def state_form(self, carry: TensorDict) -> dict[str, Any]:
        """What a stored state must look like to be loaded here, see `engram.common.state_form`.

        Args:
            carry: the policy's initial carry, [B].
        """
        num_envs = self.env.num_envs
        return {
            "env": self.env.state_form(),
            "carry": _carry_form(carry) if carry.keys() else Maybe({}),
            "episode_return": Numbers((num_envs,), torch.float64),
            "episode_length": Numbers((num_envs,), torch.int64, low=0),
            "env_steps": Whole(),
        }

    def load_state_dict(self, state: dict[str, Any], carry: TensorDict) -> None:
        """Continue where the state was taken.

        Args:
            state: as given by `state_dict`.
            carry: the policy's initial carry, [B]: its keys, shapes and device are those to be restored.
        """
        self._row = self.env.load_state_dict(state["env"])
        self._carry = _fill(carry, state.get("carry", {}))
        self.env_steps = int(state["env_steps"])
        # Where an environment could not be brought back, its episode begins anew.
        restarted = self._row["is_first"].cpu()
        stored = {RETURN: state["episode_return"], LENGTH: state["episode_length"]}
        self._running = {
            name: torch.as_tensor(values).cpu().masked_fill(restarted, 0) for name, values in stored.items()
        }

    def close(self) -> None:
        """Release the environments."""
        self.env.close()


def _carry_form(carry: TensorDictBase) -> dict[str, Any]:
    """Leaves like these; what a memory keeps of an episode that has ended need not be finite."""
    forms: dict[str, Any] = {}
    for key, value in carry.items():
        if isinstance(value, TensorDictBase):
            forms[key] = _carry_form(value) if value.keys() else Maybe({})
        else:
            forms[key] = Numbers(tuple(value.shape), value.dtype, finite=False)
    return forms


def _fill(template: TensorDict, stored: dict[str, Any]) -> TensorDict:
    """Copy stored leaves into a clone of the template; ValueError if they do not fit."""
    filled = template.clone()
    leaves = dict(TensorDict(stored, batch_size=template.batch_size).items(True, True))
    expected = {key: tuple(value.shape) for key, value in filled.items(True, True)}
    got = {key: tuple(value.shape) for key, value in leaves.items()}
    if expected != got:
        raise ValueError(
            f"A stored carry must fit the policy: expected leaves {expected}, got {got}; "
            "build the policy with the stored options."
        )
    for key, value in filled.items(True, True):
        value.copy_(leaves[key])
    return filled
