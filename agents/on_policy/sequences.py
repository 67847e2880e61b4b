"""How a rollout is cut into sequences that hold the row behind their last one too."""

from __future__ import annotations

from typing import cast

import torch
from tensordict import TensorDict

from engram.common.rows import Rollout


def sequences_with_next(rollout: Rollout, length: int) -> TensorDict:
    """Cut a rollout into sequences whose last row is the next one's first, or the pending row.

    One pass of a memory over such a sequence gives the values of a row and of the row after it.

    Args:
        rollout: B environments, T rows, with carries before every row k, 2k, ….
        length: k, a divisor of T.

    Returns:
        `rows` `[B * T / k, k + 1]` with a `mask` of the rows whose action counts, of which the last is none, and the
        `carry` before them, `[B * T / k]`. What was never made for the pending row is zero.
    """
    rows, num_rows = rollout.rows, rollout.rows.batch_size[1]
    pending = cast(TensorDict, torch.zeros_like(rows[:, 0]))
    pending.update({key: value for key, value in rollout.pending.items() if key in rows})
    extended = cast(TensorDict, torch.cat([rows, pending.unsqueeze(1)], dim=1))
    num_sequences = rows.batch_size[0] * num_rows // length
    if length < num_rows:
        begins = torch.arange(0, num_rows, length, device=rows["is_first"].device)
        index = begins.unsqueeze(1) + torch.arange(length + 1, device=begins.device)
        extended = extended[:, index].reshape(num_sequences, length + 1)
    carries = rollout.carries.exclude("noise_key", "noise_counter")
    mask = ~extended["is_last"]
    mask[:, -1] = False
    return TensorDict(
        {"rows": extended.set("mask", mask), "carry": carries.reshape(num_sequences)},
        batch_size=[num_sequences],
    )
