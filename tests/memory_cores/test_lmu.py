"""The Legendre memory unit: published rows, and what its memory holds."""

import torch
from golden_cases import assert_golden, load_golden, weights_of

from engram.memory_cores import LMU
from engram.memory_cores.cores.lmu import legendre_matrices


def test_lmu_is_the_published_one():
    golden = load_golden("lmu")
    core = LMU(4, hidden_size=8, memory_size=6, theta=12.0).double()
    transition, write = legendre_matrices(6, 12.0)
    torch.testing.assert_close(transition, golden["w.A"], rtol=0, atol=1e-12)
    torch.testing.assert_close(write, golden["w.B"], rtol=0, atol=1e-12)
    core.transition, core.write = transition, write
    weights = weights_of(golden)
    parts = {
        "input": ("e_x", "W_x"),
        "recurrent": ("e_h", "W_h"),
        "encode_memory": ("e_m",),
        "read_memory": ("W_m",),
    }
    core.load_state_dict(
        {f"{ours}.weight": torch.cat([weights[name] for name in theirs]) for ours, theirs in parts.items()}
    )
    assert_golden(core, golden, lambda published: {"hidden": published["h"], "memory": published["m"]})


def test_the_memory_is_the_window_in_legendre_polynomials():
    """Read at any delay, it gives a slow signal back as it was that many rows ago."""
    theta, size = 64, 12
    transition, write = legendre_matrices(size, float(theta))
    signal = torch.sin(torch.arange(300, dtype=torch.float64) * 2 * torch.pi / 80)
    memory = torch.zeros(size, dtype=torch.float64)
    for value in signal:
        memory = transition @ memory + write[:, 0] * value
    for delay in (0, 16, 40, 63):
        point = 2 * (delay + 0.5) / theta - 1
        polynomials = torch.special.legendre_polynomial_p(
            torch.tensor(point, dtype=torch.float64), torch.arange(size)
        )
        assert abs(memory @ polynomials - signal[-1 - delay]) < 0.05, delay
