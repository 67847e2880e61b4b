"""Where episodes begin, as one thing that travels with the rows of a sequence."""

from typing import NamedTuple

from torch import Tensor


class Resets(NamedTuple):
    """The beginnings of episodes in a call of a core; `forward` takes it in the place of the flags alone.

    Attributes:
        is_first: Whether a row begins an episode, [B, T] bool, or [B] of one row.
        host: The same in host memory, where somebody has it there; None where nobody does. By it the loop engine
            chooses its fastest path on a device without waiting for the device. Nothing else reads it.
    """

    is_first: Tensor
    host: Tensor | None = None
