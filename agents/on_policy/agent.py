"""Agents that learn from whole rollouts in minibatches of sequences: how these are drawn and learnt from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator

import torch
from gymnasium import spaces
from tensordict import TensorDict, TensorDictBase
from torch import Tensor

from engram.agents.auxiliary import AuxiliaryLosses, GradientNorms, Window, make_auxiliary_losses
from engram.agents.base import Agent
from engram.agents.captured_update import CapturedUpdate
from engram.agents.networks.actor_critic import ActorCritic
from engram.agents.networks.heads import Encoded
from engram.agents.networks.q_network import QNetwork
from engram.agents.networks.recurrent import MakeCore
from engram.agents.on_policy.settings import OnPolicySettings
from engram.agents.optim.muon import MuonWithAdam
from engram.agents.optim.radam import RAdam
from engram.agents.outlook import Outlook
from engram.common.cuda_graph import to_device
from engram.common.ranks import Ranks
from engram.common.streams import permutation, stream_key

# The one term that is no mean over rows: the largest difference of any row.
LARGEST = "log_prob_difference"


class OnPolicyAgent(Agent):
    """An agent that learns from a rollout when it has come, several times over, and then drops it.

    A subclass makes its network and optimiser by `make_parts`; its `learn_from` cuts the rollout into sequences and
    calls `learn_minibatches`, which makes a gradient step on each `minibatch_loss`.

    Args:
        observation_space: single Gymnasium space.
        action_space: single Gymnasium space.
        settings: all other options.

    Attributes:
        network: what acts and learns.
        auxiliary: the losses that the settings ask for beside the agent's own; None if there is none.
        optimizer: moves the parameters that it was made for.
    """

    settings: OnPolicySettings
    network: ActorCritic | QNetwork
    auxiliary: AuxiliaryLosses | None
    optimizer: torch.optim.Optimizer

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, settings: OnPolicySettings
    ) -> None:
        super().__init__(observation_space, action_space, settings)
        self.carry_every = settings.bptt_length or settings.rollout_length
        self._minibatch = CapturedUpdate(self._learn_minibatch, self.device)

    def make_parts(self, make_network: Callable[..., ActorCritic | QNetwork], make_core: MakeCore) -> None:
        """Make the network and the auxiliary losses, by the agent's seed, and the optimiser that the settings name.

        Args:
            make_network: builds the network from the two spaces and `make_core`.
            make_core: builds a memory core from `input_size`.
        """
        with self.seeded():
            network = make_network(self.observation_space, self.action_space, make_core)
            auxiliary = make_auxiliary_losses(self.settings.auxiliary, network, self.action_space)
        self.network, self._parameters = network.to(self.device), list(network.parameters())
        self.auxiliary = None if auxiliary is None else auxiliary.to(self.device)
        if self.auxiliary is not None:
            self._parameters += self.auxiliary.trained_parameters()
        self.optimizer = self._make_optimizer()

    def _make_optimizer(self) -> torch.optim.Optimizer:
        rate, epsilon = self.settings.learning_rate, self.settings.adam_epsilon
        if self.settings.optimizer == "muon":
            return MuonWithAdam(self._parameters, lr=rate, eps=epsilon)
        if self.settings.optimizer == "radam":
            return RAdam(self._parameters, lr=rate, eps=epsilon)
        return torch.optim.Adam(self._parameters, lr=rate, eps=epsilon, fused=True)

    def why_alone(self, ranks: Ranks) -> str | None:
        """See `LearnedState.why_alone`."""
        return None if self.auxiliary is None else "agent.auxiliary has losses that are not written for it"

    @property
    def learns_from_stale_rows(self) -> bool:
        """Whether its losses allow for rows that an earlier policy has made."""
        return False

    def why_no_actors(self, is_stale: bool) -> str | None:
        """See `LearnedState.why_no_actors`."""
        if self.auxiliary is not None:
            return "agent.auxiliary has losses that are not written for it"
        if is_stale and not self.learns_from_stale_rows:
            return "it learns from rows of its newest policy alone; set actors.mode=lockstep actors.lag=0"
        return None

    def initial_memory(self, batch_size: int) -> TensorDict:
        """Make the network's carry; see `Agent`."""
        return self.network.initial_carry(batch_size)

    def outlook(self, rows: TensorDictBase, memory: TensorDictBase) -> Outlook:
        """See `Agent.outlook`."""
        return self.network.outlook(rows, memory)

    def check_run(self, num_envs: int) -> None:
        """Refuse a number of environments that gives fewer sequences than minibatches; see `Trainable`."""
        num_sequences = num_envs * self.rollout_length // self.carry_every
        if self.settings.num_minibatches > num_sequences:
            raise ValueError(
                "Minibatches are drawn over sequences, so there can be no more minibatches than sequences: "
                f"expected num_minibatches <= {num_sequences}, but got {self.settings.num_minibatches}; "
                "use more environments, fewer minibatches or a shorter bptt_length."
            )

    def learn_minibatches(self, batch: TensorDictBase, **inputs: Tensor) -> dict[str, Tensor]:
        """Learn from sequences, every minibatch of every epoch.

        Args:
            batch: `rows` `[N, T]` and the `carry` before them, `[N]`.
            **inputs: of `minibatch_loss`.

        Returns:
            The terms of `minibatch_loss` and the norm of the gradient, `[num_epochs * num_minibatches]` each.
        """
        # One copy per update: cores choose their path by it, but a recording has one path for all resets.
        host_is_first = None if self._minibatch.is_captured else batch["rows", "is_first"].cpu()
        names, found = [], []
        for host_index, index in self._minibatches(batch.batch_size[0]):
            resets = None if host_is_first is None else host_is_first[host_index]
            terms = self._minibatch(batch=batch, index=index, host_is_first=resets, **inputs)
            names = list(terms)
            found.append(torch.stack(list(terms.values())))
        terms = dict(zip(names, torch.stack(found, dim=1), strict=True))
        if LARGEST in terms:
            terms[LARGEST] = self.ranks.largest(terms[LARGEST])
        return terms

    @abstractmethod
    def minibatch_loss(
        self, rows: TensorDictBase, encoded: Encoded, **inputs: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute what a gradient step descends.

        Args:
            rows: `[n, T]`.
            encoded: what the network's encoder and core make of them, `[n, T]`.
            **inputs: as given to `learn_minibatches`.

        Returns:
            The loss, and its terms and what else is to be logged, a number each.
        """

    def _descend(self, loss: Tensor) -> Tensor:
        """Step down the gradient of a loss, clipped; returns its norm before that."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.ranks.add_gradients(self._parameters)
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self.settings.max_grad_norm or float("inf"))
        self.optimizer.step()
        return norm

    def _minibatches(self, num_sequences: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the sequences of every minibatch of every epoch, in host memory and on the device."""
        keys = [
            stream_key(self.settings.seed, "minibatches", self.num_updates, epoch)
            for epoch in range(self.settings.num_epochs)
        ]
        count = self.settings.num_minibatches
        if self.ranks.is_many:
            # A rank's share of the minibatches of all sequences, which may be none: every one of them is met by all.
            first = self.ranks.rank * num_sequences
            for key in keys:
                for part in permutation(self.ranks.count * num_sequences, key).tensor_split(count):
                    own = part[(part >= first) & (part < first + num_sequences)] - first
                    yield own, to_device(own, self.device)
            return
        orders = torch.stack([permutation(num_sequences, key) for key in keys])
        for order, device_order in zip(orders, to_device(orders, self.device), strict=True):
            yield from zip(order.tensor_split(count), device_order.tensor_split(count), strict=True)

    def _learn_minibatch(
        self, batch: TensorDictBase, index: Tensor, host_is_first: Tensor | None = None, **inputs: Tensor
    ) -> dict[str, Tensor]:
        """Pick the sequences `index` and make one gradient step on them."""
        if not len(
            index
        ):  # none of this minibatch's sequences is this rank's: one stands there and does not count
            index = torch.zeros(1, dtype=torch.int64, device=self.device)
            batch = batch.copy()
            batch["rows"] = batch["rows"].copy()
            batch["rows"]["mask"] = torch.zeros_like(batch["rows"]["mask"])
            host_is_first = batch["rows", "is_first"][:1].cpu()
        rows, carry = batch["rows"][index], batch["carry"][index]
        with self.precision.autocast():
            encoded = self.network.encode(rows, carry, host_is_first)
        if self.auxiliary is None:
            loss, terms = self.minibatch_loss(rows, encoded, **inputs)
            terms["optim/gradient_norm"] = self._descend(loss)
        else:
            norms, y = GradientNorms(), encoded.y
            loss, terms = self.minibatch_loss(rows, encoded._replace(y=norms.branch("agent", y)), **inputs)
            window = Window(rows, carry, y, torch.ones_like(rows["is_first"]), host_is_first)
            with self.precision.autocast():
                auxiliary_loss, more = self.auxiliary(self.network, window, norms)
            terms["optim/gradient_norm"] = self._descend(loss + auxiliary_loss)
            self.auxiliary.follow(self.network)
            terms |= more | norms.read()
        return {name: term.detach() for name, term in terms.items()}
