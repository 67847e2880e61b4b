"""The networks of TorchRL's DreamerV3 learner at the sizes of ours, wired by its keys."""

from __future__ import annotations

from typing import Any

import torch
from tensordict.nn import TensorDictModule, TensorDictSequential
from torch import nn

from engram.agents.world_model.settings import DreamerSettings
from engram.benchmarks.world_model_learners import NUM_ACTIONS, OBSERVATIONS

BINS = 255
BLOCKS = 8
_STATE = ["state", "belief"]
_NEXT = [("next", key) for key in _STATE]
_EMBEDDING = ("next", "encoded_latents")


class PeerNetworks:
    """What is learnt; all parts are TorchRL's own.

    Args:
        modules: `torchrl.modules`.
        settings: of our agent; depth, width and latents are taken from there.
        belief_size: width of the recurrent state.
        core: `gru` or `block_gru`.
        device: where the parameters live.

    Attributes:
        encoder: reads the next observation.
        rollout: observes sequences.
        world_model: encoder, rollout, decoder and heads.
        continuation: the continue head on states.
        actor: on states.
        critic: on states.
        env: imagination.
        state_size: length of z.
        belief_size: as given.
    """

    def __init__(
        self, modules: Any, settings: DreamerSettings, belief_size: int, core: str, device: torch.device
    ) -> None:
        self._modules, self._settings, self._device = modules, settings, device
        self.state_size, self.belief_size = settings.num_categoricals * settings.num_classes, belief_size
        features, obs_size = self.state_size + belief_size, OBSERVATIONS["vector"].shape[0]
        prior, posterior = self._make_rssm(core)
        self.encoder = TensorDictModule(
            self._mlp(obs_size, None), in_keys=[("next", "observation")], out_keys=[_EMBEDDING]
        )
        self.rollout = modules.RSSMRolloutV3(
            TensorDictModule(prior, [*_STATE, "action"], [("next", "prior_logits"), *_NEXT]),
            TensorDictModule(posterior, [_NEXT[1], _EMBEDDING], [("next", "posterior_logits"), _NEXT[0]]),
        )
        reward, continues = self._mlp(features, BINS, 0.0), self._mlp(features, 1)
        self.world_model = TensorDictSequential(
            self.encoder,
            self.rollout,
            TensorDictModule(
                self._mlp(features, obs_size), in_keys=_NEXT, out_keys=[("next", "reco_pixels")]
            ),
            self._two_hot(reward, _NEXT, ("next", "reward_logits"), ("next", "reward")),
            TensorDictModule(continues, in_keys=_NEXT, out_keys=[("next", "continue_pred")]),
        )
        self.continuation = TensorDictSequential(
            TensorDictModule(continues, in_keys=_STATE, out_keys=["continue_logit"]),
            TensorDictModule(torch.sigmoid, in_keys=["continue_logit"], out_keys=["continuation"]),
        )
        self.actor = modules.DreamerV3DiscreteActor(
            features,
            NUM_ACTIONS,
            depth=settings.num_layers,
            num_cells=settings.units,
            unimix=settings.unimix,
        ).to(device)
        self.critic = self._two_hot(
            self._mlp(features, BINS, 0.0), _STATE, "state_value_logits", "state_value"
        )
        self.env = self._make_env(prior, reward)

    def _make_rssm(self, core: str) -> tuple[nn.Module, nn.Module]:
        """Make prior (with the recurrent model) and posterior, of one hidden layer each as ours are."""
        settings = self._settings
        sizes = {
            "num_categoricals": settings.num_categoricals,
            "num_classes": settings.num_classes,
            "hidden_dim": settings.units,
            "rnn_hidden_dim": self.belief_size,
            "unimix": settings.unimix,
        }
        prior = self._modules.RSSMPriorV3(
            action_shape=(NUM_ACTIONS,),
            action_dim=NUM_ACTIONS,
            recurrent_model=core,
            num_blocks=BLOCKS,
            prior_num_layers=1,
            **sizes,
        )
        posterior = self._modules.RSSMPosteriorV3(use_rms_norm=True, obs_embed_dim=settings.units, **sizes)
        return prior.to(self._device), posterior.to(self._device)

    def _make_env(self, prior: nn.Module, reward: nn.Module) -> Any:
        """Make the environment of imagination, on the very prior and reward head."""
        from torchrl.data import Composite, OneHot, Unbounded
        from torchrl.envs.model_based import DreamerEnv

        device = self._device
        imagination = self._modules.WorldModelWrapper(
            TensorDictModule(prior, [*_STATE, "action"], ["_", *_STATE]),
            self._two_hot(reward, _STATE, "reward_logits", "reward"),
        )
        shapes = (self.state_size,), (self.belief_size,)
        env = DreamerEnv(imagination, *shapes, device=device)
        env.observation_spec = Composite(
            state=Unbounded(shapes[0], device=device), belief=Unbounded(shapes[1], device=device)
        )
        env.state_spec = env.observation_spec.clone()
        env.action_spec = OneHot(NUM_ACTIONS, device=device, dtype=torch.float32)
        env.reward_spec = Unbounded((1,), device=device)
        return env

    def _mlp(self, inputs: int, outputs: int | None, scale: float = 1.0) -> nn.Module:
        settings = self._settings
        network = self._modules.DreamerV3MLP(inputs, outputs, settings.num_layers, settings.units, scale)
        return network.to(self._device)

    def _two_hot(self, head: nn.Module, reads: list[Any], logits: Any, value: Any) -> TensorDictSequential:
        """Let a head predict one number: its logits, then its mean."""
        decode = self._modules.SymExpTwoHot(BINS).to(self._device)
        return TensorDictSequential(
            TensorDictModule(head, in_keys=reads, out_keys=[logits]),
            TensorDictModule(decode, in_keys=[logits], out_keys=[value]),
        )
