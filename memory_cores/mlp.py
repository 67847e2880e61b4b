"""A feed-forward core: the control that remembers nothing."""

from itertools import pairwise

from tensordict import TensorDict
from torch import Tensor, nn

from memory_cores.base import MemoryCore, positive_int
from memory_cores.card import CoreCard


class MLP(MemoryCore):
    """Layers of linear map and LeakyReLU, applied to each row alone. The carry is empty.

    Args:
        input_size: Width of the input.
        hidden_size: Width of the layers and of the output. Default: 256.
        num_layers: Number of layers. Default: 2.
    """

    card = CoreCard(
        family="other",
        step_cost="O(H (I + L H)), L layers",
        training_cost="O(T H (I + L H)); rows are independent",
        horizon="none",
        choose_when="The control that shows whether a task needs memory at all.",
    )

    def __init__(self, input_size: int, hidden_size: int = 256, num_layers: int = 2) -> None:
        super().__init__(input_size, positive_int("hidden_size", hidden_size))
        widths = [input_size] + [hidden_size] * positive_int("num_layers", num_layers)
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise(widths):
            layers += [nn.Linear(width_in, width_out), nn.LeakyReLU()]
        self.layers = nn.Sequential(*layers)

    def initial_carry(self, batch_size: int) -> TensorDict:
        """Return an empty TensorDict of batch size [B]."""
        return TensorDict({}, batch_size=[batch_size], device=self._reference_parameter().device)

    def _sequence(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, every: int, host_is_first: Tensor | None
    ) -> tuple[Tensor, TensorDict]:
        batch, length = is_first.shape
        batch_size = [batch, length // every] if every else [batch]
        return self.layers(x), TensorDict({}, batch_size=batch_size, device=carry.device)

    def _step(
        self, x: Tensor, carry: TensorDict, is_first: Tensor, donate: bool
    ) -> tuple[Tensor, TensorDict]:
        return self.layers(x), TensorDict({}, batch_size=carry.batch_size, device=carry.device)
