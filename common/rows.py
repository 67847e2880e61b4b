"""Rows: what environments make, agents act on and learn from, and a replay stores.

Every observation is a row, the last one of an episode too. A row is a TensorDict with batch size [B], one entry per
environment; rows in time order have batch size [B, T]. The keys are

- `obs`: a tensor, or a nested TensorDict for Dict and Tuple spaces (`engram.envs.spaces` has the conversions);
- `reward` float32 and `prev_action`: what led to `obs`; both zero where `is_first`;
- `is_first`, `is_last`, `is_terminal` bool: an episode begins here, ends here, ends here by its own rules;
- `action_mask` bool [B, n] if the environment gives one: the actions allowed now (for MultiDiscrete the
  masks of its parts, concatenated); one at least, unless `is_last`;
- `action`, once a policy has acted on the row, and what else it gave, such as `log_prob` and `value`.

`action` and `prev_action` are the policy's own sample in its own units: int64 [B] for Discrete and
int64 [B, n] for MultiDiscrete, both counted from 0, float32 [B, *shape] for Box, of which the environment makes
numbers within its bounds (`box_action`).

`is_last = terminated | truncated`, `is_terminal = terminated`, and the next row's `is_first` is this
row's `is_last`. The action given on an `is_last` row is ignored. An episode of two steps and what
follows:

| call           | obs | reward | prev_action | is_first | is_last | is_terminal |
|----------------|-----|--------|-------------|----------|---------|-------------|
| reset(seed)    | o0  | 0      | 0           | yes      | no      | no          |
| step(a0)       | o1  | r1     | a0          | no       | no      | no          |
| step(a1)       | o2  | r2     | a1          | no       | yes     | if terminated |
| step(anything) | o0' | 0      | 0           | yes      | no      | no          |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

# What an environment's row may hold, in the order in which it is stored.
ROW_KEYS = ("obs", "reward", "prev_action", "is_first", "is_last", "is_terminal", "action_mask")

# A policy: (row [B], carry [B]) -> action [B, ...], carry [B], extras [B]
Act = Callable[[TensorDict, TensorDict], tuple[Tensor, TensorDict, TensorDict]]


@dataclass(frozen=True)
class Rollout:
    """Rows in time order, the carries to start from, and what comes after; B environments, T rows.

    Attributes:
        rows: [B, T]; the rows of the environment with `action` and the policy's extras added.
        carries: [B, ceil(T / carry_every)]; the policy's carries before rows 0, k, 2k, … ([B, 1] by default).
        pending: [B]; row T, not yet acted on: its value closes the returns. It opens the next rollout.
        pending_carry: [B]; the carry before the pending row.
        episodes: of those whose last row is in `rows`, by environment, then time: `episodic_return`, the sums of
            reward, `episodic_length`, the numbers of actions, and whatever the environment reports, each of the
            episodes that have it.
        reports: by name [B, T]; what the environment reports of the episodes that end at these rows, NaN for nothing.
    """

    rows: TensorDict
    carries: TensorDict
    pending: TensorDict
    pending_carry: TensorDict
    episodes: Mapping[str, list[float]] = field(default_factory=dict)
    reports: Mapping[str, Tensor] = field(default_factory=dict)


def make_row(
    obs: Tensor | TensorDict,
    reward: Tensor,
    prev_action: Tensor,
    is_first: Tensor,
    is_last: Tensor,
    is_terminal: Tensor,
    action_mask: Tensor | None = None,
) -> TensorDict:
    """Assemble a row, batch size [B]; `prev_action` must be zero already where `is_first`."""
    row: dict[str, Any] = {
        "obs": obs,
        "reward": reward,
        "prev_action": prev_action,
        "is_first": is_first,
        "is_last": is_last,
        "is_terminal": is_terminal,
    }
    if action_mask is not None:
        row["action_mask"] = action_mask
    return TensorDict(row, batch_size=reward.shape)


def select(condition: Tensor, chosen: Tensor, other: Tensor) -> Tensor:
    """`torch.where` with a condition [B] on tensors [B, ...]."""
    return torch.where(condition.view(-1, *(1,) * (other.ndim - 1)), chosen, other)


def stack_time(parts: list[TensorDict]) -> TensorDict:
    """Stack TensorDicts [B] of equal keys to one TensorDict [B, T], leaf by leaf."""
    num_envs, *others = parts[0].batch_size
    stacked: dict[str, Any] = {}
    for key, value in parts[0].items():
        values = [part.get(key) for part in parts]
        stacked[key] = stack_time(values) if isinstance(value, TensorDict) else torch.stack(values, dim=1)
    return TensorDict(stacked, batch_size=[num_envs, len(parts), *others])
