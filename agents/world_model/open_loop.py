"""Open-loop prediction: what the world model expects once it is shown no more observations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from agents.replay import Batch
from agents.world_model.dynamics import Latent

if TYPE_CHECKING:
    from agents.world_model.dreamer import Dreamer


@torch.no_grad()
def predict_open_loop(agent: Dreamer, batch: Batch, context: int) -> dict[str, Any]:
    """Watch `context` rows, then imagine the others from their actions alone.

    Args:
        agent: its world model predicts.
        batch: rows `[B, T]` and the carry before them.
        context: rows that are shown, from 1 to T - 1.

    Returns:
        `obs`: predictions by the leaf's name (`obs` if there is one) `[B, T, *shape]`, the shown rows reconstructed;
        `true_obs`: beside them, in the same units; `reward` and `true_reward` `[B, T]`; `is_valid` `[B, T]` bool: false
        from where an imagined row begins another episode.

    Raises:
        ValueError: if `context` leaves nothing to predict.
    """
    rows = batch.rows.to(agent.device)
    batch_size, length = rows.batch_size
    if not 1 <= context < length:
        raise ValueError(
            f"context must leave rows to predict, from 1 to {length - 1} of {length} rows, but got {context!r}."
        )
    model = agent.world_model
    noise = agent.noise("open_loop", batch_size, length, agent.settings.num_categoricals)
    observed = model.observe(rows[:, :context], batch.carry.to(agent.device), noise[:, :context])
    latent = Latent(observed.h[:, -1], observed.z[:, -1], observed.core)
    features = list(observed.features.unbind(1))
    for time in range(context, length):
        latent = model.dynamics.imagine_step(latent, rows["prev_action"][:, time], noise[:, time])
        features.append(latent.features)
    stacked = torch.stack(features, dim=1)
    begun = rows["is_first"].clone()
    begun[:, :context] = False
    predictions = model.decoder.predict(stacked)
    return {
        "obs": {_name(key): value for key, value in predictions.items()},
        "true_obs": {_name(key): model.decoder.truth(key, rows["obs"]) for key in predictions},
        "reward": model.reward(stacked),
        "true_reward": rows["reward"],
        "is_valid": begun.cumsum(1) == 0,
    }


def open_loop_video(prediction: Tensor, truth: Tensor) -> Tensor:
    """Put truth, prediction and their difference below each other.

    Args:
        prediction: images between 0 and 1, `[B, T, height, width, channels]`.
        truth: the same shape.

    Returns:
        uint8 `[B, T, channels, 3 height, width]`, as TensorBoard's `add_video` takes it.
    """
    error = (prediction - truth + 1) / 2
    tall = torch.cat([truth, prediction.clamp(0, 1), error.clamp(0, 1)], dim=2)
    return (tall * 255).round().to(torch.uint8).movedim(-1, 2)


def _name(key: tuple[str, ...]) -> str:
    return ".".join(key) or "obs"
