"""Checks of a core's options."""

# Of a size: the bytes of a matrix with so many rows and columns can still be counted.
_MOST = 2**28


def positive_int(name: str, value: int) -> int:
    """Return `value`, or raise a ValueError that names the argument unless it is an int above zero, as sizes are."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a positive int, got {value!r}; pass 1 or more.")
    if value >= _MOST:
        raise ValueError(
            f"{name} must be a positive int below 2**28, got one of {value.bit_length()} bits; pass fewer."
        )
    return value


def one_of(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Return `value`, or raise a ValueError that lists the choices unless it is one of them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}; pick one of these.")
    return value
