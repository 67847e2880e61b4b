"""What a native task hides in rows that an agent plays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor

from engram.agents.base import Agent
from engram.common.errors import UsageError
from engram.common.vector_env import VectorEnv
from engram.envs.hidden import Hidden
from engram.envs.native import NativeVectorEnv
from engram.instruments.distances import positions
from engram.instruments.played import Played, play_rows


class HiddenRows(NamedTuple):
    """One thing that a task hides, in rows in the order of time.

    Attributes:
        value: `[B, T, m]`, int64 choices or real numbers.
        num_classes: of each choice; None of real numbers.
        rows_ago: how many rows ago the episode last showed it, `[B, T]`; −1 for not yet.
    """

    value: Tensor
    num_classes: int | None
    rows_ago: Tensor


def play_hidden(
    agent: Agent,
    env: VectorEnv,
    num_rows: int,
    seed: int = 1000,
    deterministic: bool = True,
    lags: Sequence[int] = (),
) -> tuple[Played, dict[str, HiddenRows]]:
    """Play rows as `play_rows` does, and note what the task hides.

    Args:
        agent: the policy.
        env: environments, which are reset.
        num_rows: T.
        seed: as of `play_rows`.
        deterministic: as of `play_rows`.
        lags: note Discrete observations of so many rows ago, too, as `observation_1_ago`, ….

    Returns:
        The rows, and what is hidden, by name.

    Raises:
        UsageError: if the environment hides nothing that it says, and no earlier observation is asked for.
    """
    env.reset(seed)
    says = isinstance(env, NativeVectorEnv) and bool(env.hidden())
    if not says and not lags:
        raise UsageError(
            f"Probes read what a native task hides, but {env.name} says nothing of the kind; leave probes out of what, "
            "probe earlier observations with probes.lags=[1,2,4], or give its class a `conceals`."
        )
    noted: list[dict[str, Hidden]] = []
    on_row = None
    if isinstance(env, NativeVectorEnv) and says:
        native = env

        def on_row() -> None:
            noted.append(native.hidden())

    played = play_rows(agent, env, num_rows, seed, deterministic, on_row)
    found = _stacked(noted, played.rows["is_first"]) if noted else {}
    return played, {**found, **_earlier(played, env, lags)}


def _stacked(noted: list[dict[str, Hidden]], is_first: Tensor) -> dict[str, HiddenRows]:
    """Put what was noted at single rows together."""
    found = {}
    for name, one in noted[0].items():
        value = torch.stack([row[name].value for row in noted], dim=1)
        if one.is_shown is not None:
            ago = rows_since(torch.stack([_given(row[name].is_shown) for row in noted], dim=1), is_first)
        else:
            ago = torch.stack([_given(row[name].rows_ago) for row in noted], dim=1)
        found[name] = HiddenRows(value if value.dim() == 3 else value.unsqueeze(-1), one.num_classes, ago)
    return found


def _earlier(played: Played, env: VectorEnv, lags: Sequence[int]) -> dict[str, HiddenRows]:
    """Note observations of earlier rows of the episode."""
    space = env.single_observation_space
    if lags and not isinstance(space, spaces.Discrete):
        raise UsageError(
            f"Earlier observations are probed where they are Discrete, but those of {env.name} are {space}; set "
            "probes.lags=[]."
        )
    found: dict[str, HiddenRows] = {}
    if not isinstance(space, spaces.Discrete):
        return found
    position = positions(played.rows["is_first"])
    for lag in lags:
        value = (
            played.rows["obs"].roll(lag, dims=1).unsqueeze(-1)
        )  # what is rolled over is not of the episode
        ago = torch.where(position >= lag, lag, -1)
        found[f"observation_{lag}_ago"] = HiddenRows(value, int(space.n), ago)
    return found


def rows_since(is_shown: Tensor, is_first: Tensor) -> Tensor:
    """Count rows since something was last shown in the episode, `[B, T]`; −1 where it was not yet."""
    rows = torch.arange(is_shown.shape[1], device=is_shown.device)
    last = torch.where(is_shown, rows, -1).cummax(dim=1).values
    ago = rows - last
    return torch.where((last >= 0) & (ago <= positions(is_first)), ago, -1)


def _given(part: Tensor | None) -> Tensor:
    assert part is not None, "a task says is_shown or rows_ago of all that it hides"
    return part
