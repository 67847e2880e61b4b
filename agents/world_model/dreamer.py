"""Dreamer: an agent that learns a world model around a memory core, and behaves by what it imagines in it."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.base import Agent
from engram.agents.diagnosis import raise_first_nonfinite
from engram.agents.networks.actor_critic import MakeCore
from engram.agents.replay import Batch
from engram.agents.returns import masked_mean
from engram.agents.world_model.behavior import Behavior
from engram.agents.world_model.dynamics import Latent, Observed
from engram.agents.world_model.open_loop import predict_open_loop
from engram.agents.world_model.open_loop_figure import open_loop_pictures
from engram.agents.world_model.optimizers import Optimizers
from engram.agents.world_model.settings import DreamerSettings
from engram.agents.world_model.world_model import Imagined, WorldModel
from engram.common.option_types import Count, Seed
from engram.common.state_form import Whole
from engram.common.streams import environment_keys, seeded_initializers, stream_key, stream_uniform

# More would take megabytes at every evaluation.
DRAWN_WINDOWS, DRAWN_ROWS = 3, 128


class Dreamer(Agent):
    """World-model agent on any memory core; its presets are R2I and DreamerV3.

    Args:
        observation_space: single Gymnasium space.
        action_space: Discrete, MultiDiscrete or Box.
        make_core: builds a memory core from `input_size`.
        total_env_steps: budget in real transitions; nothing is scheduled by it.
        seed: of the parameters and of all noise.
        device: where the parameters live.
        **settings: the fields of `DreamerSettings`.

    Raises:
        ValueError: for a space, a core or a setting that cannot work.

    Source: Hafner et al. 2023 (DreamerV3); Samsami et al. 2024 (R2I).
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        *,
        total_env_steps: Count = 1_000_000,
        seed: Seed = 0,
        device: str | torch.device = "cpu",
        **settings: Annotated[Any, DreamerSettings],
    ) -> None:
        self.observation_space, self.action_space = observation_space, action_space
        self.settings = DreamerSettings(**settings)
        self._check_actor_gradient()
        self.total_env_steps, self.seed = total_env_steps, seed
        self.rollout_length = self.carry_every = self.settings.rollout_length
        self.batch_size, self.batch_length = self.settings.batch_size, self.settings.batch_length
        self.train_ratio, self.burn_in = self.settings.train_ratio, self.settings.burn_in
        self.carry_from = self.settings.carry_from
        self._device = torch.device(device)
        with seeded_initializers(stream_key(seed, "parameters")):
            self.world_model = WorldModel(observation_space, action_space, make_core, self.settings)
            self.behavior = Behavior(action_space, self.world_model, self.settings)
        self.world_model.to(self._device)
        self.behavior.to(self._device)
        self.optimizers = Optimizers(self.world_model, self.behavior, self.settings)
        self.num_updates = 0

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self._device

    @torch.no_grad()
    def initial_carry(self, batch_size: int, seed: int | None = None, first_index: int = 0) -> TensorDict:
        """Make the carry to start acting with: the world model's, and the streams of noise; see `Agent`."""
        carry = self.world_model.initial_carry(batch_size)
        key = stream_key(self.seed if seed is None else seed, "actions")
        carry["noise_key"] = environment_keys(key, batch_size, first_index, self._device)
        carry["noise_counter"] = torch.zeros(batch_size, dtype=torch.int64, device=self._device)
        return carry

    def stored_carry(self, carry: TensorDictBase) -> TensorDict:
        """Pick the core's carry and z: all that the world model needs to go on."""
        return TensorDict({"core": carry["core"], "z": carry["z"]}, batch_size=carry.batch_size)

    @torch.no_grad()
    def act(
        self, row: TensorDictBase, carry: TensorDictBase, deterministic: bool = False, donate: bool = False
    ) -> tuple[Tensor, TensorDict, TensorDict]:
        """Choose actions; z is drawn from the posterior in any case. There are no extras."""
        num_latents, num_outputs = self.settings.num_categoricals, self.behavior.actor.num_outputs
        noise = stream_uniform(carry["noise_key"], carry["noise_counter"], num_latents + num_outputs)
        z_noise, action_noise = noise.split([num_latents, num_outputs], dim=-1)
        with self._autocast():
            latent, _, next_carry = self.world_model.step(row, carry, z_noise, donate)
            reads = self.behavior.read(self.world_model, latent.h, latent.z, latent.core)
            policy = self.behavior.actor(reads, row.get("action_mask", None))
        action = policy.mode() if deterministic else policy.sample(action_noise)
        next_carry["noise_key"] = carry["noise_key"]
        next_carry["noise_counter"] = carry["noise_counter"] + 1
        return action, next_carry, TensorDict({}, batch_size=row.batch_size)

    def update(self, batch: Batch, env_steps: int) -> dict[str, float]:
        """Learn from a batch; see `Agent.update`."""
        settings = self.settings
        rows, carry = self.rows_of(batch), batch.carry.to(self._device)
        mask = batch.is_trained.to(self._device)
        host_is_first = batch.rows["is_first"].cpu()
        noise = self.noise("posterior", *rows.batch_size, settings.num_categoricals)
        with self._autocast():
            observed = self.world_model.observe(rows, carry, noise, settings.imagine_every, host_is_first)
            row_losses, measured = self.world_model.losses(rows, observed)
        losses = {name: masked_mean(loss, mask) for name, loss in self._weighted(row_losses).items()}
        measured = {name: masked_mean(value, mask) for name, value in measured.items()}

        starts = settings.start_rows
        imagined = self._imagine(observed, "action_mask" in rows.keys())
        continues = (~rows["is_terminal"][:, starts]).float().flatten()
        with self._autocast():
            behavior_losses, returns, behavior_measured = self.behavior.losses(
                self.world_model, imagined, continues, mask[:, starts].flatten()
            )
            if settings.loss_scales["replay_critic"] > 0:
                first_returns = returns[:, 0].reshape(len(rows), -1)
                behavior_losses["replay_critic"] = self.behavior.replay_loss(
                    self.world_model, rows, observed, first_returns, mask
                )
        losses |= self._weighted(behavior_losses)
        metrics = {**losses, **measured, **behavior_measured, **self._backward(losses)}
        values = torch.stack([metric.detach().float() for metric in metrics.values()]).tolist()
        found = dict(zip(metrics, values, strict=True))
        if not all(map(_is_finite, values)):
            raise_first_nonfinite({"rows": rows, "losses": row_losses, "metrics": metrics})
        self.optimizers.step(self.num_updates)
        self.behavior.update_slow_critic()
        self.num_updates += 1
        return found

    def open_loop(self, batch: Batch, context: int) -> dict[str, Any]:
        """Watch the first `context` rows of a batch and imagine the others; see `predict_open_loop`."""
        noise = self.noise("open_loop", *batch.rows.batch_size, self.settings.num_categoricals)
        carry = batch.carry.to(self._device)
        return predict_open_loop(self.world_model, self.rows_of(batch), carry, noise, context)

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Draw how the model expects the first windows to go on after their first quarter; see `open_loop_pictures`."""
        few, rows = slice(DRAWN_WINDOWS), slice(min(DRAWN_ROWS, batch.rows.batch_size[1]))
        shown = Batch(batch.rows[few, rows], batch.carry[few], batch.is_trained[few, rows])
        return open_loop_pictures(self.open_loop(shown, max(1, rows.stop // 4)))

    def rows_of(self, batch: Batch) -> TensorDict:
        """Return a batch's rows on the agent's device, with rewards in the agent's units: times `reward_scale`."""
        rows = batch.rows.to(self._device)
        if self.settings.reward_scale == 1:
            return rows
        return rows.copy().update({"reward": rows["reward"] * self.settings.reward_scale})

    def noise(self, purpose: str, *shape: int) -> Tensor:
        """Draw uniform numbers in (0, 1) for this update, `shape`; the same whenever they are asked for."""
        key = stream_key(self.seed, purpose, self.num_updates)
        *batch, count = shape
        keys = environment_keys(key, int(torch.Size(batch).numel()), 0, self._device)
        return stream_uniform(keys, torch.zeros_like(keys), count).reshape(shape)

    def _imagine(self, observed: Observed, masked: bool) -> Imagined:
        """Act from every k-th row after the burn-in, in detached states."""
        settings = self.settings
        horizon, through_model = settings.imagination_horizon, settings.actor_gradient == "dynamics"
        cores = observed.core[:, settings.burn_in // settings.imagine_every :]
        starts = Latent(
            observed.h[:, settings.start_rows].detach().flatten(0, 1),
            observed.z[:, settings.start_rows].detach().flatten(0, 1),
            cores.detach().reshape(-1),
        )
        num_starts, actor = len(starts.h), self.behavior.actor
        z_noise = self.noise("prior", horizon, num_starts, self.settings.num_categoricals)
        action_noise = self.noise("imagined_actions", horizon + 1, num_starts, actor.num_outputs)

        def policy(latent: Latent, time: int) -> tuple[Tensor, TensorDict]:
            kept = {"reads": self.behavior.read(self.world_model, latent.h, latent.z, latent.core)}
            allowed = self.world_model.allowed_actions(latent.features) if masked else None
            if allowed is not None:
                kept["allowed"] = allowed
            action = actor(kept["reads"].detach(), allowed).sample(action_noise[time])
            return action, TensorDict(kept, batch_size=[num_starts])

        with torch.set_grad_enabled(through_model), self._autocast():
            return self.world_model.imagine(starts, policy, horizon, z_noise)

    def _weighted(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weigh losses by their names."""
        return {name: self.settings.loss_scales[name] * loss for name, loss in losses.items()}

    def _backward(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Fill and clip the gradients of the losses' sum; the actor's reaches the actor alone. Returns the norms."""
        self.optimizers.zero_grad()
        torch.stack([loss for name, loss in losses.items() if name != "actor"]).sum().backward()
        losses["actor"].backward(inputs=list(self.behavior.actor.parameters()))
        return self.optimizers.clip()

    def _autocast(self) -> torch.autocast:
        # A context of its own for every part: casts that were cached without gradients must not be met with them.
        return torch.autocast(
            self._device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16"
        )

    def _check_actor_gradient(self) -> None:
        if self.settings.actor_gradient == "dynamics" and not isinstance(self.action_space, spaces.Box):
            raise ValueError(
                "Gradients pass through the model to Box actions alone, so actor_gradient must be 'reinforce' for "
                f"{self.action_space}, but got 'dynamics'; set agent.actor_gradient=reinforce."
            )

    def state_dict(self) -> dict[str, Any]:
        """Parameters, moving averages, optimiser and counter."""
        return {
            "world_model": dict(self.world_model.state_dict()),
            "behavior": dict(self.behavior.state_dict()),
            "optimizer": self.optimizers.state_dict(),
            "num_updates": self.num_updates,
        }

    def state_form(self) -> dict[str, Any]:
        """What `state_dict` gives here, however far learning has come; see `Agent.state_form`."""
        return {**self.state_dict(), "optimizer": self.optimizers.state_form(), "num_updates": Whole()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` gave.

        Raises:
            RuntimeError: if the parameters do not fit, as those of another core do not.
        """
        self.world_model.load_state_dict(state["world_model"])
        self.behavior.load_state_dict(state["behavior"])
        self.optimizers.load_state_dict(state["optimizer"])
        self.num_updates = state["num_updates"]


def _is_finite(value: float) -> bool:
    return value - value == 0
