"""Values on a scale on which large and small returns can be learnt together."""

from torch import Tensor

EPSILON = 1e-3


def rescale(x: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Return h(x) = sign(x) (√(|x| + 1) − 1) + ε x, of any shape.

    Source: Pohlen et al., "Observe and look further: achieving consistent performance on Atari", 2018, section 3.2.
    """
    return x.sign() * ((x.abs() + 1).sqrt() - 1) + epsilon * x


def unrescale(x: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Return h⁻¹(x), of any shape.

    The textbook form, (√(1 + 4 ε a) − 1) / 2 ε with a = |x| + 1 + ε, squared and less 1, loses in float32 all digits
    near zero; this is the same without differences of large numbers.
    """
    size = x.abs() + epsilon
    root = (1 + 4 * epsilon * (size + 1)).sqrt() + 1
    above_one = (2 * size - 4 * epsilon * (size + 1) / root) / root
    return x.sign() * above_one * (above_one + 2)
