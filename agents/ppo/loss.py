"""PPO's loss of a minibatch: its equations, and on CUDA three kernels in the place of some sixty."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from tensordict import TensorDictBase
from torch import Tensor

from engram.agents.on_policy.losses import approximate_kl, clipped_policy_loss, is_clipped, value_loss
from engram.agents.ppo.settings import PPOSettings
from engram.agents.returns import masked_means, normalize
from engram.common.ranks import ALONE, Ranks
from engram.common.second_order import needs_graph
from engram.common.tracing import is_traced
from engram.common.zero_where import zero_unless

TERMS = ("policy", "value", "entropy", "approximate_kl", "clip_fraction", "log_prob_difference")


class LossRows(NamedTuple):
    """What the loss reads of stored rows, `[B, T]` each.

    Attributes:
        log_prob: of the taken actions when acting.
        value: predicted when acting.
        target: return to predict.
        advantage: of the taken actions.
        mask: rows that count, bool.
    """

    log_prob: Tensor
    value: Tensor
    target: Tensor
    advantage: Tensor
    mask: Tensor

    @classmethod
    def of(cls, rows: TensorDictBase) -> LossRows:
        """Pick them from rows."""
        return cls(*(rows[name] for name in cls._fields))


def ppo_loss(
    log_prob: Tensor,
    entropy: Tensor,
    value: Tensor,
    rows: LossRows,
    settings: PPOSettings,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute the loss: clipped surrogate, weighted value loss and entropy bonus, means over the valid rows.

    Args:
        log_prob: of the taken actions under the current policy, `[B, T]`.
        entropy: of the current policy, `[B, T]`.
        value: current prediction, `[B, T]`.
        rows: what was stored.
        settings: coefficients, clip ranges, and whether advantages are normalised here.
        ranks: whose rows these are all together.

    Returns:
        The loss, and its terms without gradients: `TERMS`, a number each.
    """
    fuses = log_prob.is_cuda and log_prob.dtype == torch.float32 and not ranks.is_many
    if fuses and not is_traced():
        loss, *terms = _Loss.apply(log_prob, entropy, value, rows, settings)
        return loss, dict(zip(TERMS, terms, strict=True))
    return ppo_loss_reference(log_prob, entropy, value, rows, settings, ranks)


def ppo_loss_reference(
    log_prob: Tensor,
    entropy: Tensor,
    value: Tensor,
    rows: LossRows,
    settings: PPOSettings,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, dict[str, Tensor]]:
    """`ppo_loss` in plain operations."""
    mask, advantage = rows.mask, rows.advantage
    log_ratio = log_prob - rows.log_prob
    ratio = log_ratio.exp()
    if settings.normalize_advantage == "minibatch":
        advantage = normalize(advantage, mask, ranks=ranks)
    of_rows = {
        "policy": clipped_policy_loss(ratio, advantage, settings.clip_range),
        "value": value_loss(value, rows.value, rows.target, settings.value_clip_range),
        "entropy": entropy,
        "approximate_kl": approximate_kl(log_ratio.detach(), ratio.detach()),
        "clip_fraction": is_clipped(ratio.detach(), settings.clip_range),
    }
    terms = masked_means(of_rows, mask, ranks)
    loss = terms["policy"] + settings.value_coef * terms["value"] - settings.entropy_coef * terms["entropy"]
    terms["log_prob_difference"] = zero_unless(mask, log_ratio.detach().abs()).max()
    return loss, {name: term.detach() for name, term in terms.items()}


class _Loss(torch.autograd.Function):
    """Loss and gradients by the same kernels: the reverse has nothing left but to scale them."""

    @staticmethod
    def forward(
        ctx: Any, log_prob: Tensor, entropy: Tensor, value: Tensor, rows: LossRows, settings: PPOSettings
    ) -> tuple[Tensor, ...]:
        from engram.agents.ppo.loss_kernels import cuda

        results, grads = cuda.loss_and_gradients(log_prob, entropy, value, rows, settings)
        ctx.save_for_backward(grads)
        ctx.set_materialize_grads(False)
        loss, *terms = results.unbind()
        ctx.mark_non_differentiable(*terms)
        return loss, *terms

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        if needs_graph(grad):
            raise NotImplementedError("PPO's loss is differentiated once on CUDA: the kernels know no more")
        (grads,) = ctx.saved_tensors
        return *(grad * grads).unbind(), None, None
