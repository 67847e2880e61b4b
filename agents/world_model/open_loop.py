"""Open-loop prediction: what the world model expects once it is shown no more observations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from tensordict import TensorDictBase
from torch import Tensor

from engram.agents.world_model.dynamics import Latent
from engram.agents.world_model.world_model import WorldModel


@torch.no_grad()
def predict_open_loop(
    model: WorldModel, rows: TensorDictBase, carry: TensorDictBase, noise: Tensor, context: int
) -> dict[str, Any]:
    """Watch `context` rows, then imagine the others from their actions alone.

    Args:
        model: predicts.
        rows: `[B, T]` on the model's device, rewards in the agent's units.
        carry: of the world model, before them `[B]`.
        noise: uniform numbers `[B, T, num_categoricals]`.
        context: rows that are shown, from 1 to T - 1.

    Returns:
        `obs`: predictions by the leaf's name (`obs` if there is one) `[B, T, *shape]`, the shown rows reconstructed;
        `true_obs`: beside them, in the same units; `reward` and `true_reward` `[B, T]`, in the agent's units;
        `continues` and `true_continues` `[B, T]`: the continue head's prediction, and what it is to learn; `is_valid`
        `[B, T]` bool: false from where an imagined row begins another episode; `images`: the names of those that are
        images; `layouts`: of these, by name; `context`.
    """
    length = rows.batch_size[1]
    if not 1 <= context < length:
        raise ValueError(
            f"context must leave rows to predict, from 1 to {length - 1} of {length} rows, but got {context!r}."
        )
    stacked, _ = _watch_and_imagine(model, rows, carry, noise, context)
    begun = rows["is_first"].clone()
    begun[:, :context] = False
    predictions = model.decoder.predict(stacked)
    continues = model.continue_head(stacked).squeeze(-1).float().sigmoid()
    return {
        "obs": {_name(key): value for key, value in predictions.items()},
        "true_obs": {_name(key): model.decoder.truth(key, rows["obs"]) for key in predictions},
        "reward": model.reward(stacked),
        "true_reward": rows["reward"],
        "continues": continues,
        "true_continues": model.continues(rows),
        "is_valid": begun.cumsum(1) == 0,
        "images": [leaf.name for leaf in model.decoder.images],
        "layouts": {leaf.name: leaf.layout for leaf in model.decoder.images},
        "context": context,
    }


@torch.no_grad()
def predict_outcomes(
    model: WorldModel,
    rows: TensorDictBase,
    carry: TensorDictBase,
    noise: Tensor,
    context: int,
    actions: Sequence[Tensor],
) -> Tensor:
    """Watch `context` rows, imagine the others from their actions, and ask what each of several next actions pays.

    Args:
        model: predicts.
        rows: `[B, T]`, the last one that on which the actions are taken.
        carry: of the world model, before them `[B]`.
        noise: uniform numbers `[B, T + 1, num_categoricals]`; the last ones are the same for every action.
        context: rows that are shown, from 1 to T.
        actions: each `[B, …]`.

    Returns:
        Expected rewards `[B, len(actions)]`, in the agent's units.
    """
    _, latent = _watch_and_imagine(model, rows, carry, noise, context)
    after = [model.dynamics.imagine_step(latent, action, noise[:, -1]) for action in actions]
    return torch.stack([model.reward(one.features) for one in after], dim=1)


def _watch_and_imagine(
    model: WorldModel, rows: TensorDictBase, carry: TensorDictBase, noise: Tensor, context: int
) -> tuple[Tensor, Latent]:
    """Features of all rows `[B, T, n]`, of which `context` are shown, and the latent after the last one."""
    observed = model.observe(rows[:, :context], carry, noise[:, :context])
    latent = Latent(observed.h[:, -1], observed.z[:, -1], observed.core)
    features = list(observed.features.unbind(1))
    for time in range(context, rows.batch_size[1]):
        latent = model.dynamics.imagine_step(latent, rows["prev_action"][:, time], noise[:, time])
        features.append(latent.features)
    return torch.stack(features, dim=1), latent


def _name(key: tuple[str, ...]) -> str:
    return ".".join(key) or "obs"
