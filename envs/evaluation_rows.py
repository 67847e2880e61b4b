"""The rows of an evaluation, one after the other, and what is reported at each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.rows import Act, Rollout
from engram.common.vector_env import VectorEnv
from engram.envs.captured import CapturedPlay
from engram.envs.finite import is_finite

Report = Callable[[], Mapping[str, Tensor]]


class RowStream:
    """Plays on and on, row by row or by a recording.

    Args:
        env: environments.
        act: the policy.
        carry: of the policy, before its first row [B].
        captured: a recording of both; None plays row by row.
    """

    def __init__(self, env: VectorEnv, act: Act, carry: TensorDict, captured: CapturedPlay | None) -> None:
        self._env, self._act, self._carry, self._captured = env, act, carry, captured

    def rows(self, row: TensorDict) -> Iterator[tuple[TensorDict, Report]]:
        """Give the rows [B] from one on that the environments stand at, each with what says what is reported there.

        Those of a recording lie in host memory; their observations are left out if all of them are finite.
        """
        while self._captured is None:
            yield row, self._env.report
            action, self._carry, _ = self._act(row, self._carry)
            row = self._env.step(action)
        while True:
            played = self._captured(row, self._carry)
            row, self._carry = played.pending, played.pending_carry
            rows, reports = _to_host(played)
            for time in range(rows.batch_size[1]):
                yield rows[:, time], partial(_at, reports, time)


def _at(reports: Mapping[str, Tensor], time: int) -> dict[str, Tensor]:
    return {name: values[:, time] for name, values in reports.items()}


def _to_host(played: Rollout) -> tuple[TensorDict, dict[str, Tensor]]:
    """Bring what is counted of a rollout to host memory, by one copy: its rows [B, T], and reports [B, T] by name."""
    rows = played.rows
    flags = [rows["is_first"], rows["is_last"], is_finite(rows).expand(rows.batch_size)]
    numbers = [rows["reward"], *(flag.float() for flag in flags), *played.reports.values()]
    reward, is_first, is_last, finite, *reports = torch.stack(numbers).cpu().unbind()
    counted = {
        "reward": reward,
        "is_first": is_first.bool(),
        "is_last": is_last.bool(),
        "obs": TensorDict({}, batch_size=rows.batch_size) if finite.all() else rows["obs"].cpu(),
    }
    return TensorDict(counted, batch_size=rows.batch_size), dict(zip(played.reports, reports, strict=True))
