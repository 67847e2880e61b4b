"""All auxiliary losses of an agent together, and how strongly each of its losses pulls at the memory."""

from __future__ import annotations

from gymnasium import spaces
from torch import Tensor, nn

from engram.agents.auxiliary.reconstruction import Reconstruction
from engram.agents.auxiliary.self_prediction import SelfPrediction
from engram.agents.auxiliary.settings import AuxiliarySettings
from engram.agents.auxiliary.window import AuxiliaryLoss, Network, Window


class GradientNorms:
    """Norms of the gradients that several losses send back to a core's output, from one backward pass of their sum.

    What is measured is the gradient with respect to the core's output on all rows of a minibatch, weighted as it is in
    the sum, before any clipping: what core and encoder, which all these losses share, are moved by. What the agent's
    own loss sends to the encoder past the core, through a shortcut, is not in it.
    """

    def __init__(self) -> None:
        self._branches: dict[str, Tensor] = {}

    def branch(self, name: str, y: Tensor) -> Tensor:
        """Make what the loss `name` must read in place of the core's output `y`, the same numbers."""
        branch = y.view_as(y)
        if branch.requires_grad:
            branch.retain_grad()
            self._branches[name] = branch
        return branch

    def read(self) -> dict[str, Tensor]:
        """After the backward pass: `core_gradient/<name>` of every loss, a number each."""
        return {
            f"core_gradient/{name}": branch.grad.float().norm()
            for name, branch in self._branches.items()
            if branch.grad is not None
        }


class AuxiliaryLosses(nn.Module):
    """The auxiliary losses that are on; only what they share with the agent's network ever acts.

    Args:
        losses: by name.
        coefs: weight of each in the sum.
    """

    def __init__(self, losses: dict[str, AuxiliaryLoss], coefs: dict[str, float]) -> None:
        super().__init__()
        self.losses, self.coefs = nn.ModuleDict(losses), coefs

    def forward(
        self, network: Network, window: Window, norms: GradientNorms
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the weighted sum.

        Args:
            network: the agent's.
            window: what it learns from.
            norms: learns of every loss.

        Returns:
            The sum, and what is to be logged, a number each: every loss by its name, unweighted, and what it says.
        """
        total, terms = window.y.new_zeros(()), {}
        for name, loss in self.losses.items():
            terms[name], more = loss(network, window.with_output(norms.branch(name, window.y)))
            total = total + self.coefs[name] * terms[name]
            terms.update(more)
        return total, terms

    def trained_parameters(self) -> list[nn.Parameter]:
        """What an optimiser is to move: not the copies that follow the network."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def follow(self, network: Network) -> None:
        """Take note of a gradient step of the network."""
        for loss in self.losses.values():
            loss.follow(network)  # type: ignore[operator]


def make_auxiliary_losses(
    settings: AuxiliarySettings, network: Network, action_space: spaces.Space
) -> AuxiliaryLosses | None:
    """Make the losses whose coefficient is not 0.

    Args:
        settings: options.
        network: the agent's.
        action_space: single Gymnasium space.

    Returns:
        The losses; None where all are off, so that nothing is computed, stored or counted.
    """
    losses: dict[str, AuxiliaryLoss] = {}
    if settings.reconstruction.coef:
        losses["reconstruction"] = Reconstruction(settings.reconstruction, network)
    if settings.self_prediction.coef:
        losses["self_prediction"] = SelfPrediction(settings.self_prediction, network, action_space)
    coefs = {name: getattr(settings, name).coef for name in losses}
    return AuxiliaryLosses(losses, coefs) if losses else None
