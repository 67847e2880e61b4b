"""TorchRL's DreamerV3 learner at the sizes of ours, for the benchmark of world models."""

from __future__ import annotations

from typing import Any

import torch
from tensordict import TensorDict
from torch import Tensor, nn

from engram.agents.world_model.settings import DreamerSettings
from engram.benchmarks.peers import peer
from engram.benchmarks.stopwatch import Stopwatch
from engram.benchmarks.world_model_learners import NUM_ACTIONS, Problem, make_rows
from engram.benchmarks.world_model_peer_networks import PeerNetworks
from engram.common.errors import UsageError

CORES = ("gru", "block_gru")


class TorchRLLearner:
    """TorchRL's networks, losses, optimiser and stepper, eager on every device.

    Encoder, decoder, heads, actor and critic are its `DreamerV3MLP` of our depth and width; the rows are ours.

    Args:
        name: `torchrl/gru` or `torchrl/block_gru`, its two recurrent models.
        problem: sizes and device.

    Raises:
        UsageError: for another name, for images, or without torchrl.
    """

    def __init__(self, name: str, problem: Problem) -> None:
        core = name.partition("/")[2]
        if core not in CORES or problem.observation != "vector":
            raise UsageError(
                f"TorchRL's learner is torchrl/{' or torchrl/'.join(CORES)} on vectors, but got {name!r} on "
                f"observation={problem.observation}; leave it out."
            )
        with peer("TorchRL's learner", "leave it out of learners"):
            from torchrl import modules, objectives
            from torchrl.trainers.algorithms import DreamerV3OptimizationStepper, DreamerV3Optimizer
        config = problem.compose("core=gru", "agent.posterior=memory")
        names = DreamerSettings.__dataclass_fields__
        settings = DreamerSettings(**{key: value for key, value in config["agent"].items() if key in names})
        device = torch.device(problem.device)
        networks = PeerNetworks(modules, settings, config["core"]["hidden_size"], core, device)
        self.loss = _make_loss(objectives, networks, settings)
        optimizer = DreamerV3Optimizer(_parameters(self.loss), lr=settings.learning_rate)
        target = objectives.SoftUpdate(self.loss.value_loss, tau=settings.slow_critic_rate)
        self.stepper = DreamerV3OptimizationStepper(
            self.loss, optimizer, target, compile_train_step=False, cudagraph=False
        )
        self.sample = _make_sample(problem, networks)
        self.networks = networks
        self.num_parameters = sum(parameter.numel() for parameter in _parameters(self.loss))
        self.watch = Stopwatch(device)
        self._wrap(target)

    def _wrap(self, target: Any) -> None:
        wrap = self.watch.wrap
        for module in (self.networks.encoder, self.networks.rollout):
            wrap(module, "forward", part="observe", before="losses")
        wrap(self.networks.env, "rollout", part="imagine", before="losses")
        wrap(self.loss, "forward", part="losses", before="other")
        wrap(self.stepper.optimizer, "zero_grad", part="optimiser", before="losses")
        wrap(self.stepper.optimizer, "step", part="optimiser", before="backward")
        wrap(target, "step", part="optimiser", before="optimiser")

    def update(self) -> dict[str, float]:
        """Learn once; see `Learner`."""
        self.watch.start()
        self.stepper.step(None, self.sample)
        return self.watch.stop("other")

    def observe(self) -> None:
        """Observe forward and backward; see `Learner`."""
        networks = self.networks
        found = networks.rollout(networks.encoder(self.sample.copy()))
        keys = ("state", "belief", "prior_logits", "posterior_logits")
        total = torch.stack([found["next", key].mean() for key in keys]).sum()
        parameters = [*networks.encoder.parameters(), *networks.rollout.parameters()]
        torch.autograd.grad(total, parameters, allow_unused=True)


def _make_loss(objectives: Any, networks: PeerNetworks, settings: DreamerSettings) -> Any:
    """Put the three losses together with the weights of `settings`."""
    model = objectives.DreamerV3ModelLoss(
        networks.world_model,
        kl_mode="separate",
        lambda_dynamic=settings.loss_scales["dynamics"],
        lambda_representation=settings.loss_scales["representation"],
        lambda_continue=1.0,
        continue_target_scale=settings.gamma,
        free_bits=settings.free_nats,
        unimix=settings.unimix,
        detach_output=False,
    )
    model.set_keys(pixels="observation")
    actor = objectives.DreamerV3ActorLoss(
        networks.actor,
        networks.critic,
        networks.env,
        continuation_model=networks.continuation,
        imagination_horizon=settings.imagination_horizon,
        entropy_bonus=settings.entropy_coef,
        use_reinforce=True,
    )
    # The continue head has learnt the discount already.
    actor.make_value_estimator(gamma=1.0, lmbda=settings.gae_lambda)
    critic = objectives.DreamerV3ValueLoss(
        networks.critic,
        value_loss="two_hot",
        actor_loss=actor,
        slow_critic_regularization=settings.slow_critic_scale,
    )
    return objectives.DreamerV3Loss(
        model,
        actor,
        critic,
        replay_value_loss_weight=settings.loss_scales["replay_critic"],
        lmbda=settings.gae_lambda,
    )


def _parameters(loss: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in loss.parameters() if parameter.requires_grad]


def _make_sample(problem: Problem, networks: PeerNetworks) -> TensorDict:
    """Bring our rows into TorchRL's form: row t with the action before it is transition t."""
    rows = make_rows(problem)
    shape = rows.batch_size

    def column(value: Tensor) -> Tensor:
        return value.unsqueeze(-1)

    following = {
        "observation": rows["obs"],
        "reward": column(rows["reward"]),
        "done": column(rows["is_last"]),
        "terminated": column(rows["is_terminal"]),
    }
    values = {
        "state": torch.zeros(*shape, networks.state_size),
        "belief": torch.zeros(*shape, networks.belief_size),
        "action": torch.nn.functional.one_hot(rows["prev_action"], NUM_ACTIONS).float(),
        "is_init": column(rows["is_first"]),
        "next": TensorDict(following, batch_size=shape),
    }
    return TensorDict(values, batch_size=shape).to(problem.device)
