"""The recurrent state-space model around any memory core: posterior, memory, prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor, nn

from engram.agents.networks.features import action_feature_size, action_features, one_hot
from engram.agents.networks.recurrent import MakeCore
from engram.agents.world_model.action_gate import ActionGate
from engram.agents.world_model.latents import draw, unimix
from engram.agents.world_model.layers import DenseBlock, Head, Norm, dense, make_norm
from engram.common.row_gradients import gather_row_gradients
from engram.memory_cores import Resets
from engram.memory_cores.carry import select_initial

Posterior = Literal["observation", "memory"]


@dataclass(frozen=True)
class Latent:
    """The world model's state; `[...]` is its batch shape.

    Attributes:
        h: what the memory says, `[..., memory_size]`.
        z: straight-through one-hot latents `[..., C, K]`.
        core: the core's carry after this row, batch size `[...]`.
    """

    h: Tensor
    z: Tensor
    core: TensorDict

    @property
    def features(self) -> Tensor:
        """The model's own view: memory and latents side by side, `[..., memory_size + C K]`."""
        return torch.cat([self.h, self.z.flatten(-2)], dim=-1)


@dataclass(frozen=True)
class Observed:
    """What `Dynamics.observe` makes of rows `[B, T]`.

    Attributes:
        h: `[B, T, memory_size]`.
        z: latents drawn from the posterior, `[B, T, C, K]`.
        posterior: log-probabilities `[B, T, C, K]`.
        prior: log-probabilities `[B, T, C, K]`.
        core: the core's carry after the last row `[B]`, or after rows k-1, 2k-1, … `[B, T // k]`.
    """

    h: Tensor
    z: Tensor
    posterior: Tensor
    prior: Tensor
    core: TensorDict

    @property
    def features(self) -> Tensor:
        """Memory and latents side by side, `[B, T, memory_size + C K]`."""
        return torch.cat([self.h, self.z.flatten(-2)], dim=-1)


class Dynamics(nn.Module):
    """A latent z for every row, tied together by a memory core that sees the latents and actions before.

    The core's input at row t is made of z_{t-1} and the action that followed it; at `is_first` both are zero and
    the core resets itself. The prior reads the memory h_t. The posterior reads the observation alone, so that a
    whole sequence is one call of the core (R2I), or the observation and h_t, row by row (DreamerV3).

    Args:
        action_space: single Gymnasium space.
        make_core: builds a memory core from `input_size`.
        embedding_size: length of an encoded observation.
        memory_size: length of h = SiLU(W y); None takes the core's output y itself.
        units: width of the core's input and of the heads' blocks.
        action_gain: factor of the initial weights from the action to the core's input.
        action_gate: the last action multiplies what the memory says, too: h = SiLU(W y (1 + G a)).
        input_bias: standard deviation of the initial biases of the core's input, of a `layer` norm.
        num_categoricals: C.
        num_classes: K, at most 256.
        posterior: `observation` or `memory`.
        posterior_scale: of the posterior's initial output weights; large ones make z all but certain at first.
        unimix_ratio: share of the uniform distribution in prior and posterior.
        norm: of the blocks.

    Attributes:
        memory_size: length of h.

    Source: Samsami et al. 2024 (R2I), section 3; Hafner et al. 2023 (DreamerV3), eq. 3.
    """

    def __init__(
        self,
        action_space: spaces.Space,
        make_core: MakeCore,
        *,
        embedding_size: int,
        memory_size: int | None,
        memory_norm: bool,
        units: int,
        action_gain: float,
        action_gate: bool,
        input_bias: float,
        num_categoricals: int,
        num_classes: int,
        posterior: Posterior,
        posterior_scale: float,
        unimix_ratio: float,
        norm: Norm,
    ) -> None:
        super().__init__()
        self.action_space = action_space
        self.num_categoricals, self.num_classes = num_categoricals, num_classes
        self.posterior_reads, self.unimix_ratio = posterior, unimix_ratio
        latent_size = num_categoricals * num_classes
        self.input = DenseBlock(latent_size + action_feature_size(action_space), units, norm)
        first = next(iter(self.input.children()))
        assert isinstance(first, nn.Linear)
        with torch.no_grad():
            first.weight[:, latent_size:] *= action_gain
        if input_bias:
            nn.init.normal_(self.input.get_parameter("1.bias"), std=input_bias)
        self.core = make_core(input_size=units)
        self.memory_size = memory_size or self.core.output_size
        self.output: nn.Module | None = None
        if memory_size:
            linear = dense(self.core.output_size, memory_size)
            self.output = nn.Sequential(linear, make_norm(norm, memory_size)) if memory_norm else linear
        self.gate = ActionGate(action_space, self.memory_size) if action_gate else None
        reads = embedding_size + (self.memory_size if posterior == "memory" else 0)
        self.posterior_head = Head(reads, latent_size, units, 1, norm, posterior_scale)
        self.prior_head = Head(self.memory_size, latent_size, units, 1, norm)

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Make the carry to start with: the core's, and `z` as classes `[B, C]` uint8 (unread at `is_first`)."""
        core = self.core.initial_carry(batch_size)
        device = next(self.parameters()).device
        z = torch.zeros(batch_size, self.num_categoricals, dtype=torch.uint8, device=device)
        return TensorDict({"core": core, "z": z}, batch_size=[batch_size])

    def observe(
        self,
        embedding: Tensor,
        rows: TensorDictBase,
        carry: TensorDictBase,
        noise: Tensor,
        all_carries: int = 0,
        host_is_first: Tensor | None = None,
    ) -> Observed:
        """Run over a sequence of real rows.

        Args:
            embedding: encoded observations `[B, T, embedding_size]`.
            rows: `[B, T]` with `prev_action` and `is_first`.
            carry: before row 0, `[B]`, with `core` and `z`.
            noise: uniform in (0, 1), `[B, T, C]`: the posterior's draws.
            all_carries: k returns the core's carries after rows k-1, 2k-1, …; 0 the last one.
            host_is_first: the rows' `is_first` in host memory, for the cores' fastest paths on a device.
        """
        actions = self._action_features(rows["prev_action"], rows["is_first"])
        z_before = self.one_hot(carry["z"])
        if self.posterior_reads == "memory":
            inputs = embedding, actions, rows["is_first"], noise
            return gather_row_gradients(
                self, lambda: self._observe_stepwise(*inputs, carry["core"], z_before, all_carries)
            )
        posterior, z = self.posterior(embedding, None, noise)
        z_previous = torch.cat([z_before.unsqueeze(1), z[:, :-1]], dim=1)
        x = self._input(z_previous, actions, rows["is_first"])
        resets = Resets(rows["is_first"], host_is_first)
        y, core = self.core(x, carry["core"], resets, all_carries)
        h = self._memory(y, actions)
        return Observed(h, z, posterior, self.prior(h), core)

    def step(
        self,
        embedding: Tensor,
        row: TensorDictBase,
        carry: TensorDictBase,
        noise: Tensor,
        donate: bool = False,
    ) -> tuple[Latent, Tensor]:
        """Run over one real row per environment: the same as `observe` with T = 1.

        Args:
            embedding: `[B, embedding_size]`.
            row: `[B]`.
            carry: before the row, `[B]`.
            noise: uniform in (0, 1), `[B, C]`.
            donate: allow the core to overwrite `carry`.

        Returns:
            The latent `[B]` and the posterior's log-probabilities `[B, C, K]`.
        """
        action = self._action_features(row["prev_action"], row["is_first"])
        x = self._input(self.one_hot(carry["z"]), action, row["is_first"])
        y, core = self.core.step(x, carry["core"], row["is_first"], donate=donate)
        h = self._memory(y, action)
        posterior, z = self.posterior(embedding, h, noise)
        return Latent(h, z, core), posterior

    def imagine_step(
        self, latent: Latent, action: Tensor, noise: Tensor, constants: dict[str, Any] | None = None
    ) -> Latent:
        """Take an action inside the model.

        Args:
            latent: `[N]`.
            action: `[N, …]`; gradients pass through continuous ones.
            noise: uniform in (0, 1), `[N, C]`: the prior's draws.
            constants: of the core, as of `MemoryCore.step`.

        Returns:
            The latent after it, `[N]`.
        """
        never = torch.zeros(latent.h.shape[0], dtype=torch.bool, device=latent.h.device)
        done = self._action_features(action)
        y, core = self.core.step(self._input(latent.z, done), latent.core, never, constants=constants)
        h = self._memory(y, done)
        _, z = draw(self._logits(self.prior_head, h), noise, self.unimix_ratio)
        return Latent(h, z, core)

    def posterior(self, embedding: Tensor, h: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of z given the observation and, if it is asked, the memory; and a z, `[..., C, K]` each."""
        reads = embedding
        if h is not None and self.posterior_reads == "memory":
            reads = torch.cat([h, embedding], dim=-1)
        return draw(self._logits(self.posterior_head, reads), noise, self.unimix_ratio)

    def prior(self, h: Tensor) -> Tensor:
        """Log-probabilities `[..., C, K]` of z given the memory `[..., memory_size]`."""
        return unimix(self._logits(self.prior_head, h), self.unimix_ratio)

    def one_hot(self, classes: Tensor) -> Tensor:
        """Read classes `[..., C]` as one-hot vectors `[..., C, K]`."""
        return one_hot(classes.long(), (self.num_classes,))

    def _observe_stepwise(
        self,
        embedding: Tensor,
        actions: Tensor,
        is_first: Tensor,
        noise: Tensor,
        core: TensorDict,
        z: Tensor,
        carry_every: int,
    ) -> Observed:
        steps, cores = [], []
        # Unbound once: indexing inside the loop would make the backward pass quadratic in T. The noise is laid out by
        # rows, as kernels take it.
        noise = noise.transpose(0, 1).contiguous().transpose(0, 1)
        unbound = (part.unbind(1) for part in (embedding, actions, is_first, noise))
        for index, (embedding_t, action, first_t, noise_t) in enumerate(zip(*unbound, strict=True)):
            y, core = self.core.step(self._input(z, action, first_t), core, first_t)
            h = self._memory(y, action)
            posterior, z = self.posterior(embedding_t, h, noise_t)
            steps.append((h, z, posterior))
            if carry_every and (index + 1) % carry_every == 0:
                cores.append(core)
        h, z, posterior = (torch.stack(parts, dim=1) for parts in zip(*steps, strict=True))
        carries = torch.stack(cores, dim=1) if carry_every else core
        return Observed(h, z, posterior, self.prior(h), carries)

    def _input(self, z: Tensor, action: Tensor, is_first: Tensor | None = None) -> Tensor:
        """What the core sees of latents and of the actions' features; z is 0 at `is_first`."""
        z = z if is_first is None else select_initial(is_first, 0.0, z)
        return self.input(torch.cat([z.flatten(-2), action], dim=-1))

    def _action_features(self, action: Tensor, is_first: Tensor | None = None) -> Tensor:
        """Actions as flat vectors, continuous ones no longer than 1 in any component; 0 at `is_first`."""
        features = action_features(self.action_space, action, 1 if is_first is None else is_first.ndim)
        if isinstance(self.action_space, spaces.Box):
            features = features / features.detach().abs().clamp(min=1.0)
        return features if is_first is None else select_initial(is_first, 0.0, features)

    def _memory(self, y: Tensor, action: Tensor) -> Tensor:
        """What the core's output says after the action of these features."""
        if self.output is None:
            return y.float()
        said = self.output(y)
        return F.silu(said if self.gate is None else self.gate(said, action)).float()

    def _logits(self, head: Head, reads: Tensor) -> Tensor:
        return head(reads).unflatten(-1, (self.num_categoricals, self.num_classes))
