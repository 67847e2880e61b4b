"""Hyperparameters of world-model agents, checked once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from engram.agents.networks.image_layout import LayoutName
from engram.agents.replay.settings import ReplayAgentSettings
from engram.agents.world_model.dynamics import Posterior
from engram.agents.world_model.layers import Norm
from engram.agents.world_model.two_hot import Spacing
from engram.common.checked import require, settings
from engram.common.option_types import (
    Count,
    Fraction,
    Index,
    NotNegative,
    Positive,
    Rate,
    Whole,
    list_of,
    weights_of,
)

ActorInput = Literal["h", "z", "carry"]
READS = list_of("h, z and carry", lambda part: part in get_args(ActorInput), "[z,carry]")
# Every loss of a world model and of what is learnt in it, with its weight in the sum.
LOSS_SCALES = {
    "vector": 1.0,
    "symbol": 1.0,
    "image": 1.0,
    "reward": 1.0,
    "continue": 1.0,
    "action_mask": 1.0,
    "dynamics": 0.5,  # the prior's KL
    "representation": 0.1,  # the posterior's
    "actor": 1.0,
    "critic": 1.0,
    "replay_critic": 0.0,  # the critic's on the replayed rows themselves
}


@settings("Dreamer", "agent.")
class DreamerSettings(ReplayAgentSettings):
    """Hyperparameters of `Dreamer` beside those of all agents with a replay; the defaults are R2I's, small.

    Args:
        memory_size: length of h, a dense layer after the core; None takes the core's output itself.
        memory_norm: normalise that layer, so that cores of any scale speak as loudly as z.
        units: width of all dense blocks and of the core's input.
        action_gain: factor of the action's initial weights in the core's input; with 1 the action is as loud as one of
            the categoricals.
        action_gate: the last action multiplies what the memory says: h = SiLU(W y (1 + G a)), so that a reward for an
            action that fits what was seen is linear in h from the first update on. It needs a memory_size.
        num_layers: blocks of encoder, decoder and heads.
        num_categoricals: categoricals of the latent z.
        num_classes: classes of each, at most 256.
        posterior: z is inferred from the `observation` alone (R2I: one call of the core for a whole sequence) or
            from observation and `memory` (DreamerV3: row by row).
        input_bias: standard deviation of the initial biases of the core's input, which are all that the first row of an
            episode brings. With 0, as published, it brings zeros, in front of which some cores' norms have a first
            gradient of 10^5 and more, which an optimiser's moments remember. It needs `norm: layer`.
        posterior_scale: of the posterior's initial output weights. With 1, as published, z begins as noise, and stays
            so wherever that costs little; with 8 it begins as a code of what is seen, all but certain.
        unimix: share of the uniform distribution in latents and discrete policies.
        norm: of the dense blocks, `layer` or `rms`.
        reward_scale: factor of rewards before anything is learnt from them. Where a step is worth far less than 1, its
            reward is a small share of one bin, and returns are not blown up: such tasks want a larger one. `auto` is
            one over the root mean square of all rewards so far that are not 0, which the checkpoint keeps.
        bins: of reward and value, `symlog` (first DreamerV3, R2I) or `symexp` (since).
        num_bins: of both, odd. They lie 20/127 apart in symlog space, so that 255, as published, reach 4.9e8, 127 reach
            2.0e4 and 63 reach 131; what is beyond counts as the outermost.
        bin_decay: by so much the initial logits of bins fall from each to the next one, away from 0. With 0, as
            published, hundreds of updates are needed to learn that rewards are not immense.
        image_depth: channels of the first convolution.
        image_layout: of the images' axes, see `engram.agents.networks.image_layout.find_layout`.
        leaves: how to read parts of the observation instead, by their key; see
            `engram.agents.networks.leaves.observation_leaves`.
        loss_scales: weight of every loss in the sum that is learnt from; those of `LOSS_SCALES` where none is given.
        free_nats: KL per row below which nothing is learnt.
        actor_reads: what actor and critic see of a state, any of `h`, `z`, `carry` (the core's state itself).
        gamma: discount per step.
        gae_lambda: weight of longer returns.
        imagination_horizon: imagined actions.
        imagine_every: imagine from every so many rows.
        discount_in_continue: the continue head learns γ (1 - terminal) and its mean is the discount; else it learns
            1 - terminal and its mode is.
        actor_gradient: `reinforce`, or `dynamics`: through the model, for Box actions.
        actor_scale: of the policy's initial output weights.
        entropy_coef: weight of the policy's entropy.
        return_rate: of the moving percentiles that scale the returns.
        slow_critic_rate: of the moving average of the critic.
        slow_critic_scale: weight of staying near it.
        optimizer: `adam` (by groups, as R2I), `muon` (for all matrices, beside Adam for the rest), or `laprop` (one
            for all, as DreamerV3 since 2024).
        learning_rate: of the model, or of everything with `laprop`.
        core_learning_rate: of the memory core; None: as the model.
        actor_learning_rate: with `adam` and `muon`.
        critic_learning_rate: with `adam` and `muon`.
        weight_decay: of the model's matrices outside the core, with `adam` and `muon`.
        max_grad_norm: clip of the gradient norm of the model, and of its core by itself, with `adam` and `muon`; None
            is off, here and below.
        actor_max_grad_norm: the actor's, with `adam` and `muon`.
        critic_max_grad_norm: the critic's, with `adam` and `muon`.
        adaptive_clip: largest ratio of gradient to parameter norm, with `laprop`.
        warmup_updates: updates over which the learning rates rise linearly.

    Raises:
        ValueError: for a value outside its range.
    """

    memory_size: Count | None = 256
    memory_norm: bool = False
    units: Count = 128
    action_gain: NotNegative = 1.0
    action_gate: bool = False
    num_layers: Count = 2
    num_categoricals: Count = 32
    num_classes: Annotated[int, Whole(2, 256)] = 32
    posterior: Posterior = "observation"
    input_bias: NotNegative = 0.0
    posterior_scale: NotNegative = 1.0
    unimix: Fraction = 0.01
    norm: Norm = "layer"
    reward_scale: Positive | Literal["auto"] = 1.0
    bins: Spacing = "symlog"
    num_bins: Annotated[int, Whole(3, 511)] = 255
    bin_decay: NotNegative = 0.0
    image_depth: Count = 32
    image_layout: LayoutName = "auto"
    leaves: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    loss_scales: Annotated[Mapping[str, float], weights_of(LOSS_SCALES)] = dataclasses.field(
        default_factory=LOSS_SCALES.copy
    )
    free_nats: NotNegative = 1.0
    actor_reads: Annotated[Sequence[ActorInput], READS] = ("z", "carry")
    gamma: Fraction = 1 - 1 / 333
    gae_lambda: Fraction = 0.95
    imagination_horizon: Count = 15
    imagine_every: Count = 1
    discount_in_continue: bool = False
    actor_gradient: Literal["reinforce", "dynamics"] = "reinforce"
    actor_scale: NotNegative = 1.0
    entropy_coef: NotNegative = 3e-4
    return_rate: Fraction = 0.01
    slow_critic_rate: Rate = 0.02
    slow_critic_scale: NotNegative = 1.0
    optimizer: Literal["adam", "muon", "laprop"] = "adam"
    learning_rate: Positive = 1e-4
    core_learning_rate: Positive | None = None
    actor_learning_rate: Positive = 3e-5
    critic_learning_rate: Positive = 3e-5
    weight_decay: NotNegative = 0.0
    max_grad_norm: Positive | None = 1000.0
    actor_max_grad_norm: Positive | None = 100.0
    critic_max_grad_norm: Positive | None = 100.0
    adaptive_clip: Positive | None = 0.3
    warmup_updates: Index = 0

    def check(self) -> None:
        """Hold what depends on several options."""
        window = f"at least {max(2 - self.burn_in, 1)}, for windows of two rows of which one can be foretold"
        self._require("batch_length", window, self.window_length >= 2)
        divides = self.batch_length % self.imagine_every == 0 and self.burn_in % self.imagine_every == 0
        self._require(
            "memory_norm", "false where memory_size is null", not self.memory_norm or bool(self.memory_size)
        )
        both = f"a divisor of batch_length ({self.batch_length}) and burn_in ({self.burn_in})"
        self._require(
            "action_gate", "false where memory_size is null", not self.action_gate or bool(self.memory_size)
        )
        self._require("num_bins", "odd, so that 0 is one of them", self.num_bins % 2 == 1)
        biased = "0 where norm is rms, which has no biases"
        self._require("input_bias", biased, self.norm == "layer" or self.input_bias == 0)
        self._require("imagine_every", both, divides)
        if self.loss_scales["replay_critic"] > 0 and "carry" in self.actor_reads:
            self._require(
                "imagine_every", "1 if the critic reads the carry of every row", self.imagine_every == 1
            )

    @property
    def start_rows(self) -> slice:
        """The rows of a sequence, burn-in included, that are imagined from."""
        return slice(self.burn_in + self.imagine_every - 1, None, self.imagine_every)

    def _require(self, name: str, expected: str, holds: bool) -> None:
        require(holds, name, expected, getattr(self, name), "Dreamer", "agent.")
