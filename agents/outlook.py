"""What an agent makes of a sequence of rows, open to gradients: what an analysis of its memory reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from engram.memory_cores import MemoryCore


class Output(NamedTuple):
    """Numbers that an agent makes of every row.

    Attributes:
        values: `[B, T, n]`, in the graph of what went in.
        x: what went into the memory that they were read from, `[B, T, m]`, in the same graph.
    """

    values: Tensor
    x: Tensor


class Outlook(NamedTuple):
    """A pass of an agent's networks over rows `[B, T]`.

    Attributes:
        core: the memory by which the agent acts.
        carry: of the core, before row 0, `[B]`.
        x: what goes into it, `[B, T, m]`.
        y: what comes out of it, `[B, T, k]`.
        outputs: by name: `action`, the log-probabilities or values of all actions, or the numbers of the policy's
            normals; and where the agent has them `log_prob`, of the row's own action, and `value`, n being 1.
    """

    core: MemoryCore
    carry: TensorDict
    x: Tensor
    y: Tensor
    outputs: Mapping[str, Output]


def of_allowed(values: Tensor, mask: Tensor | None) -> Tensor:
    """Make the numbers of forbidden actions zero, which no gradient comes from; `[*, n]` both."""
    return values if mask is None else torch.where(mask, values, 0.0)


def no_outlook(agent: object) -> ValueError:
    """Say that an agent of this class has none."""
    return ValueError(
        f"An analysis reads an agent that says what it makes of rows (ppo, impala, a2c, pqn, r2d2, sac), but "
        f"{type(agent).__name__} does not; analyse one of those, or give it an `outlook`."
    )
