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
        from where an imagined row begins another episode; `images`: the names of those that are images.

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
        "images": [_name(leaf.key) for leaf in model.decoder.images],
    }


def open_loop_films(found: dict[str, Any], episode: int = 0) -> dict[str, Tensor]:
    """Draw a window's truth, prediction and difference below each other.

    Args:
        found: from `predict_open_loop`.
        episode: which window.

    Returns:
        By the name of each image, uint8 `[T, 3 height, width, 3]`. Grey images and their channels are repeated.
    """
    films = {}
    for name, prediction in found["obs"].items():
        if name in found["images"]:
            pair = [_as_rgb(images[episode]) for images in (found["true_obs"][name], prediction)]
            error = (pair[1] - pair[0] + 1) / 2
            tall = torch.cat([*pair, error], dim=1).clamp(0, 1)
            films[f"open_loop/{name}"] = (tall * 255).round().to(torch.uint8)
    return films


def _as_rgb(images: Tensor) -> Tensor:
    """Bring `[T, height, width]`, `[T, height, width, channels]` or channels first to `[T, height, width, 3]`."""
    if images.ndim == 3:
        images = images.unsqueeze(-1)
    elif images.shape[1] in (1, 3, 4) and images.shape[-1] not in (1, 3, 4):
        images = images.movedim(1, -1)
    return images.expand(*images.shape[:-1], 3) if images.shape[-1] == 1 else images[..., :3]


def _name(key: tuple[str, ...]) -> str:
    return ".".join(key) or "obs"
