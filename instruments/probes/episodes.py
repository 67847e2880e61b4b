"""Rows by their episodes: which of them a probe learns from, and labels of other episodes in their place."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engram.common.streams import permutation, stream_key


class Split(NamedTuple):
    """Rows `[N]` for each purpose, bool; every episode's are of one alone.

    Attributes:
        train: to fit.
        choose: to choose a penalty, or when to stop.
        test: to score.
    """

    train: Tensor
    choose: Tensor
    test: Tensor


def episode_of(is_first: Tensor) -> Tensor:
    """Number the episodes of rows `[B, T]` from 0 on, environment by environment."""
    begins = is_first.clone()
    begins[:, 0] = True
    return begins.flatten().cumsum(0).view_as(is_first) - 1


def split_episodes(episode: Tensor, seed: int = 0) -> Split:
    """Give three fifths of the episodes to fitting, one to choosing and one to scoring, drawn by a seed.

    Args:
        episode: of each row, `[N]`.
        seed: of the draw.

    Raises:
        ValueError: if there are less than five episodes.
    """
    count = int(episode.max()) + 1
    if count < 5:
        raise ValueError(
            f"A probe is split by episode, which needs at least 5 of them, but {count} were played; set more num_envs "
            "or num_rows."
        )
    rank = torch.empty(count, dtype=torch.int64)
    rank[permutation(count, stream_key(seed, "probe episodes"))] = torch.arange(count)
    place = rank.to(episode.device)[episode] * 5 // count
    return Split(place < 3, place == 3, place == 4)


def of_other_episodes(value: Tensor, episode: Tensor, seed: int = 0) -> Tensor:
    """Give each row what another episode has at the same place: the control task, in which nothing can be remembered.

    Args:
        value: `[N, *]`, rows of an episode one after the other.
        episode: of each row, `[N]`, in rising order.
        seed: of the draw.

    Source: Hewitt and Liang, "Designing and interpreting probes with control tasks", 2019.
    """
    lengths = torch.bincount(episode)
    begins = lengths.cumsum(0) - lengths
    order = permutation(len(lengths), stream_key(seed, "control task")).to(episode.device)
    other = torch.empty_like(order)
    other[order] = order.roll(1)  # nobody's own
    place = torch.arange(len(episode), device=episode.device) - begins[episode]
    taken = other[episode]
    return value[begins[taken] + place.remainder(lengths[taken])]
