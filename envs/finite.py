"""Rows whose numbers are finite: of anything else nothing can be learnt, and its score would be one of nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tensordict import TensorDictBase
from torch import Tensor

from engram.common.nested import dotted
from engram.common.vector_env import VectorEnv


def check_finite(
    name: str, row: TensorDictBase, playing: np.ndarray, played: Sequence[int], length: np.ndarray
) -> None:
    """Refuse a row in which an observation or a reward is not a finite number.

    Args:
        name: of the environment.
        row: [B].
        playing: which environments count [B] bool; the others are left alone.
        played: episodes that each has finished [B].
        length: actions since each episode began [B].

    Raises:
        FloatingPointError: names the environment, the episode, the row and the number.
    """
    parts = _numbers(row)
    bad = {part: ~torch.isfinite(leaf).reshape(len(leaf), -1) for part, leaf in parts}
    anywhere = torch.stack([flags.any(1) for flags in bad.values()]).cpu().numpy()  # [parts, B]
    anywhere &= playing
    if not anywhere.any():
        return
    place, index = np.argwhere(anywhere)[0]
    part = list(bad)[place]
    leaf, flags = dict(parts)[part][index].flatten(), bad[part][index]
    raise FloatingPointError(
        f"An evaluation needs finite numbers, but {name} gave the {part} {float(leaf[flags][0])} in episode "
        f"{played[index] + 1} of environment {index}, row {int(length[index])}; mend the environment, or leave "
        "such episodes out."
    )


def check_rollout(env: VectorEnv, rows: TensorDictBase, pending: TensorDictBase) -> None:
    """Refuse a rollout in which an observation or a reward is not a finite number, before anything is made of it.

    The device is read once; a rollout's counters wait for it in any case.

    Args:
        env: for its name.
        rows: [B, T].
        pending: [B], the row after these.

    Raises:
        FloatingPointError: names the environment and the number.
    """
    if torch.stack([is_finite(rows), is_finite(pending)]).all():
        return
    parts = [*_numbers(rows), *_numbers(pending)]
    bad = [(part, leaf, ~torch.isfinite(leaf).reshape(len(leaf), -1)) for part, leaf in parts]
    part, leaf, flags = next(one for one in bad if one[2].any())
    index = int(flags.any(1).nonzero()[0])
    number = index + getattr(env, "env_index_offset", 0)  # a user's own VectorEnv has none
    raise FloatingPointError(
        f"Every observation and reward must be finite, but {env.name} gave the {part} "
        f"{float(leaf[index].flatten()[flags[index]][0])} in environment {number}; the run stops before "
        "anything is learnt from it, and its last checkpoint is intact. Mend the environment."
    )


def is_finite(rows: TensorDictBase) -> Tensor:
    """Tell whether every observation and reward of rows is a finite number: a bool on their device."""
    return torch.stack([torch.isfinite(leaf).all() for _, leaf in _numbers(rows)]).all()


def _numbers(rows: TensorDictBase) -> list[tuple[str, Tensor]]:
    """The rewards, and the parts of the observations that may not be finite, each with what to call it."""
    parts = dotted({"reward": rows["reward"], "observation": rows["obs"]})
    named = ((name.replace(".", " ", 1), leaf) for name, leaf in parts.items())
    return [(name, leaf) for name, leaf in named if isinstance(leaf, Tensor) and leaf.is_floating_point()]
