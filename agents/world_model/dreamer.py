"""Dreamer: an agent that learns a world model around a memory core, and behaves by what it imagines in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.captured_update import CapturedUpdate
from engram.agents.diagnosis import read_metrics
from engram.agents.networks.recurrent import MakeCore
from engram.agents.optim.groups import clip_groups, warm_up_share
from engram.agents.replay import Batch, ReplayAgent
from engram.agents.returns import masked_means
from engram.agents.trainable import Metrics
from engram.agents.world_model.behavior import Behavior
from engram.agents.world_model.dynamics import Latent, Observed
from engram.agents.world_model.open_loop import predict_open_loop, predict_outcomes
from engram.agents.world_model.open_loop_figure import open_loop_pictures
from engram.agents.world_model.optimizer import make_optimizer
from engram.agents.world_model.reward_unit import RewardUnit
from engram.agents.world_model.settings import DreamerSettings
from engram.agents.world_model.world_model import Imagined, WorldModel

# More would take megabytes at every evaluation.
DRAWN_WINDOWS, DRAWN_ROWS = 3, 128
# What an update draws noise for.
NOISES = ("posterior", "prior", "imagined_actions")


class Dreamer(ReplayAgent):
    """World-model agent on any memory core; its presets are R2I and DreamerV3.

    Args:
        observation_space: single Gymnasium space.
        action_space: Discrete, MultiDiscrete or Box.
        make_core: builds a memory core from `input_size`.
        **settings: the fields of `DreamerSettings`.

    Raises:
        ValueError: for a space, a core or a setting that cannot work.

    Source: Hafner et al. 2023 (DreamerV3); Samsami et al. 2024 (R2I).
    """

    settings: DreamerSettings

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        make_core: MakeCore,
        **settings: Annotated[Any, DreamerSettings],
    ) -> None:
        super().__init__(observation_space, action_space, DreamerSettings(**settings))
        self._check_actor_gradient()
        with self.seeded():
            self.world_model = WorldModel(observation_space, action_space, make_core, self.settings)
            self.behavior = Behavior(action_space, self.world_model, self.settings)
        self.world_model.to(self.device)
        self.behavior.to(self.device)
        is_auto = self.settings.reward_scale == "auto"
        self.reward_unit = RewardUnit().to(self.device) if is_auto else None
        self.optimizer = make_optimizer(self.world_model, self.behavior, self.settings)
        self.num_uniforms = self.settings.num_categoricals + self.behavior.actor.num_outputs
        self._learning = CapturedUpdate(self._fill_gradients, self.device, finish=self._move)

    def initial_memory(self, batch_size: int) -> TensorDict:
        """Make the core's carry and z; see `Agent`."""
        return self.world_model.initial_carry(batch_size)

    def choose(
        self, row: TensorDictBase, memory: TensorDictBase, noise: Tensor, deterministic: bool, donate: bool
    ) -> tuple[Tensor, TensorDict, dict[str, Tensor]]:
        """Choose actions; z is drawn from the posterior in any case. The extra is `policy`."""
        num_latents = self.settings.num_categoricals
        z_noise, action_noise = noise.split([num_latents, self.num_uniforms - num_latents], dim=-1)
        latent, _, next_memory = self.world_model.step(row, memory, z_noise, donate)
        reads = self.behavior.read(self.world_model, latent.h, latent.z, latent.core)
        policy = self.behavior.actor(reads, row.get("action_mask", None))
        action = policy.mode() if deterministic else policy.sample(action_noise)
        return action, next_memory, {"policy": policy.parameters}

    def learning_rate_share(self, env_steps: int) -> float:
        """See `Agent.learning_rate_share`; it rises over the first updates."""
        risen = warm_up_share(self.num_updates, self.settings.warmup_updates)
        return super().learning_rate_share(env_steps) * risen

    def learn_from(self, batch: Batch, env_steps: int) -> Metrics:
        """Learn from a batch; see `Agent.learn_from`."""
        rows = self.rows_of(batch)
        found = self._learning(
            rows=rows,
            carry=batch.carry.to(self.device),
            mask=batch.is_trained.to(self.device),
            keys=self.noise_keys(*NOISES),
            host_is_first=None if self._learning.is_captured else batch.host_is_first,
        )
        metrics = read_metrics(found["metrics"], {"rows": rows, **found}, self.ranks)
        self._learning.finish()
        return metrics

    def learn_model(self, batch: Batch) -> Metrics:
        """Make one update of the world model alone, by its own losses: actor and critic neither learn nor are asked.

        Args:
            batch: rows whose rewards `update_normalizers` has seen.

        Returns:
            The losses, weighted as in the sum, what is measured beside them, and the gradients' norms.

        Raises:
            FloatingPointError: if a loss is NaN or infinite.
        """
        rows = self.rows_of(batch)
        self.scale_learning_rates(0)
        carry, mask = batch.carry.to(self.device), batch.is_trained.to(self.device)
        with self.precision.products():
            keys = self.noise_keys("posterior")
            _, row_losses, losses, means = self._model_losses(rows, carry, mask, keys, batch.host_is_first)
            self.optimizer.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
        metrics = {**losses, **means, **self.clip_gradients()}
        seen = {"rows": rows, "losses": row_losses}
        found = read_metrics({name: value.detach() for name, value in metrics.items()}, seen, self.ranks)
        self.optimizer.step()
        self.num_updates += 1
        return found

    def _fill_gradients(
        self,
        rows: TensorDict,
        carry: TensorDict,
        mask: Tensor,
        keys: TensorDict,
        host_is_first: Tensor | None = None,
    ) -> dict[str, dict[str, Tensor]]:
        """Compute all losses and their gradients, clipped; returns the losses of rows, and what is measured."""
        settings = self.settings
        observed, row_losses, losses, means = self._model_losses(
            rows, carry, mask, keys, host_is_first, settings.imagine_every
        )

        starts = settings.start_rows
        imagined = self._imagine(observed, "action_mask" in rows.keys(), keys)
        continues = (~rows["is_terminal"][:, starts]).float().flatten()
        with self.precision.autocast():
            behavior_losses, returns, behavior_measured = self.behavior.losses(
                self.world_model, imagined, continues, mask[:, starts].flatten()
            )
            if settings.loss_scales["replay_critic"] > 0:
                first_returns = returns[:, 0].reshape(len(rows), -1)
                behavior_losses["replay_critic"] = self.behavior.replay_loss(
                    self.world_model, rows, observed, first_returns, mask
                )
        losses |= self._weighted(behavior_losses)
        metrics = {**losses, **means, **behavior_measured, **self._backward(losses)}
        detached = {name: value.detach() for name, value in metrics.items()}
        return {"losses": {name: loss.detach() for name, loss in row_losses.items()}, "metrics": detached}

    def _model_losses(
        self,
        rows: TensorDict,
        carry: TensorDict,
        mask: Tensor,
        keys: TensorDict,
        host_is_first: Tensor | None,
        all_carries: int = 0,
    ) -> tuple[Observed, dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        """Observe rows and hold the model against them; `all_carries` as of `Dynamics.observe`.

        Returns:
            What was observed, the losses of rows, their weighted means, and the means of what is measured.
        """
        settings = self.settings
        noise = self.lane_noise(keys["posterior"], *rows.batch_size, settings.num_categoricals)
        with self.precision.autocast():
            observed = self.world_model.observe(rows, carry, noise, all_carries, host_is_first)
            row_losses, measured = self.world_model.losses(rows, observed)
        means = masked_means({**self._weighted(row_losses), **measured}, mask, self.ranks)
        return observed, row_losses, {name: means.pop(name) for name in row_losses}, means

    def _move(self) -> None:
        """Move all parameters by their gradients."""
        self.optimizer.step()
        self.behavior.update_slow_critic()

    def why_no_captured_updates(self) -> str | None:
        """See `Agent.why_no_captured_updates`; a posterior that reads the memory goes row by row in any case."""
        return None if self.settings.posterior == "memory" else super().why_no_captured_updates()

    def open_loop(self, batch: Batch, context: int) -> dict[str, Any]:
        """Watch the first `context` rows of a batch and imagine the others; see `predict_open_loop`."""
        noise = self.noise("open_loop", *batch.rows.batch_size, self.settings.num_categoricals)
        carry = batch.carry.to(self.device)
        return predict_open_loop(self.world_model, self.rows_of(batch), carry, noise, context)

    def outcomes(self, batch: Batch, context: int, actions: Sequence[Tensor]) -> Tensor:
        """What the model expects each of several actions to pay after a batch; see `predict_outcomes`."""
        count, length = batch.rows.batch_size
        noise = self.noise("open_loop", count, length + 1, self.settings.num_categoricals)
        carry, actions = batch.carry.to(self.device), [action.to(self.device) for action in actions]
        return predict_outcomes(self.world_model, self.rows_of(batch), carry, noise, context, actions)

    def draw(self, batch: Batch) -> dict[str, Tensor]:
        """Draw how the model expects the first windows to go on after their first quarter; see `open_loop_pictures`."""
        few, rows = slice(DRAWN_WINDOWS), slice(min(DRAWN_ROWS, batch.rows.batch_size[1]))
        shown = Batch(batch.rows[few, rows], batch.carry[few], batch.is_trained[few, rows])
        return open_loop_pictures(self.open_loop(shown, max(1, rows.stop // 4)))

    def update_normalizers(self, rows: TensorDictBase) -> None:
        """Take the rewards of collected rows into their unit, with `reward_scale: auto`."""
        if self.reward_unit is not None:
            self.reward_unit.update(rows["reward"])

    def rows_of(self, batch: Batch) -> TensorDict:
        """Return a batch's rows on the agent's device, with rewards in the agent's units: times `reward_scale`."""
        rows, scale = batch.rows.to(self.device), self.settings.reward_scale
        if scale == 1:
            return rows
        factor = scale if self.reward_unit is None else self.reward_unit.scale()
        return rows.copy().update({"reward": rows["reward"] * factor})

    def _imagine(self, observed: Observed, masked: bool, keys: TensorDictBase) -> Imagined:
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
        z_noise = self.lane_noise(keys["prior"], horizon, num_starts, settings.num_categoricals, dim=1)
        shape = (horizon + 1, num_starts, actor.num_outputs)
        action_noise = self.lane_noise(keys["imagined_actions"], *shape, dim=1)

        def policy(latent: Latent, time: int) -> tuple[Tensor, dict[str, Tensor]]:
            kept = {"reads": self.behavior.read(self.world_model, latent.h, latent.z, latent.core)}
            allowed = self.world_model.allowed_actions(latent.features) if masked else None
            if allowed is not None:
                kept["allowed"] = allowed
            action = actor(kept["reads"].detach(), allowed).sample(action_noise[time])
            return action, kept

        with torch.set_grad_enabled(through_model), self.precision.autocast():
            return self.world_model.imagine(starts, policy, horizon, z_noise)

    def _weighted(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weigh losses by their names."""
        scales = self.settings.loss_scales
        return {name: loss if scales[name] == 1 else scales[name] * loss for name, loss in losses.items()}

    def _backward(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Fill and clip the gradients of the losses' sum; the actor's reaches the actor alone. Returns the norms."""
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack([loss for name, loss in losses.items() if name != "actor"]).sum().backward()
        losses["actor"].backward(inputs=list(self.behavior.actor.parameters()))
        self.ranks.add_gradients(
            parameter for group in self.optimizer.param_groups for parameter in group["params"]
        )
        return self.clip_gradients()

    def clip_gradients(self) -> dict[str, Tensor]:
        """Clip the gradients of model, core, actor and critic; returns their norms before it."""
        return clip_groups(self.optimizer)

    def _check_actor_gradient(self) -> None:
        if self.settings.actor_gradient == "dynamics" and not isinstance(self.action_space, spaces.Box):
            raise ValueError(
                "Gradients pass through the model to Box actions alone, so actor_gradient must be 'reinforce' for "
                f"{self.action_space}, but got 'dynamics'; set agent.actor_gradient=reinforce."
            )
