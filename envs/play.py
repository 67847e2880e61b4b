"""Playing rows with a policy: the loop itself, without a counter or a decision on the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.rows import Act, Rollout, stack_time
from engram.common.vector_env import VectorEnv
from engram.envs.finite import check_rollout
from engram.envs.reports import stack_reports

# Leaves with more bytes per environment, such as images, are written to their place in the rollout as they come.
_LARGE_BYTES = 1024


def play(
    env: VectorEnv,
    act: Act,
    row: TensorDict,
    carry: TensorDict,
    rollout_length: int,
    carry_every: int | None = None,
) -> Rollout:
    """Play `rollout_length` rows in every environment.

    With a native environment on a device and a policy that does not wait for it, nothing here does.

    Args:
        env: stands at `row`.
        act: the policy; it may overwrite the carry it is given.
        row: the pending row [B].
        carry: the policy's carry before it [B].
        rollout_length: T.
        carry_every: keep the carry before every so many rows; None keeps none.

    Returns:
        What was played, its episodes not counted; `pending` and `pending_carry` are the environment's and the
            policy's own tensors.
    """
    rows: list[TensorDict] = []
    actions: list[Tensor] = []
    extras: list[TensorDict] = []
    carries: list[TensorDict] = []
    reports: list[Mapping[str, Tensor]] = []
    large = _make_large_leaves(row, rollout_length)
    for time in range(rollout_length):
        if carry_every is not None and time % carry_every == 0:
            carries.append(carry.clone())  # the policy may overwrite its own
        is_end = time == rollout_length - 1  # so that a rollout names all that is ever reported
        reports.append(env.report() if is_end or _may_report(row) else {})
        action, carry, extra = act(row, carry)
        for key, leaf in large.items():
            leaf[:, time] = row.get(key)
        rows.append(row.exclude(*large) if large else row)
        actions.append(action)
        extras.append(extra)
        try:
            row = env.step_sampled(action)
        except ValueError:
            check_rollout(env, row.unsqueeze(1), row)  # then the action is not to blame
            raise
    stacked = stack_time(rows)
    for key, leaf in large.items():
        stacked.set(key, leaf)
    stacked["action"] = torch.stack(actions, dim=1)
    stacked.update(stack_time(extras))
    kept = stack_time(carries) if carries else TensorDict({}, batch_size=[*row.batch_size, 0])
    return Rollout(stacked, kept, row, carry, reports=stack_reports(reports))


def _may_report(row: TensorDict) -> bool:
    """Whether an episode may end at a row, where alone reports count; host memory is asked for nearly nothing."""
    is_last = row["is_last"]
    return is_last.device.type != "cpu" or bool(is_last.any())


def _make_large_leaves(row: TensorDict, length: int) -> dict[Any, Tensor]:
    """Make room for the large leaves of a rollout, [B, T, ...] by key.

    To stack them in the end would hold them twice for a moment.
    """
    return {
        key: value.new_empty(value.shape[0], length, *value.shape[1:])
        for key, value in row.items(True, True)
        if value.nbytes > _LARGE_BYTES * value.shape[0]
    }
