"""The transitions of modes on a CUDA device: one mode for each lane, computed in float64 as on a CPU."""

# mypy: disable-error-code="no-untyped-def, assignment"

import triton
import triton.language as tl


@triton.jit
def _product(a, b, c, d):
    """Return (a + ib) (c + id)."""
    return a * c - b * d, a * d + b * c


@triton.jit
def _quotient(a, b, c, d):
    """Return (a + ib) / (c + id)."""
    square = c * c + d * d
    return (a * c + b * d) / square, (b * c - a * d) / square


@triton.jit
def _growth(x, y):
    """Return exp(x + iy) − 1, with the digits which that difference would lose near 0."""
    series = x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0))))
    less = tl.where(tl.abs(x) < 1e-3, series, tl.exp(x) - 1.0)
    half = tl.sin(y * 0.5)
    return less * tl.cos(y) - 2.0 * half * half, (less + 1.0) * tl.sin(y)


@triton.jit
def _read(
    decay, frequency, logarithm, place, inside, group, MAX_DECAY: tl.constexpr, EXPONENTIAL: tl.constexpr,
    LOG_DECAY: tl.constexpr,
):  # fmt: skip
    """Return the real and the imaginary part of Λ, the derivative of the first one, and the logarithm's number."""
    given = tl.load(decay + place, mask=inside, other=0.0).to(tl.float64)
    turn = tl.load(frequency + place, mask=inside, other=0.0).to(tl.float64)
    step = tl.exp(tl.load(logarithm + place // group, mask=inside, other=0.0).to(tl.float64))
    if EXPONENTIAL or LOG_DECAY:
        real = -tl.exp(given)
        slope = real
    else:
        real = tl.minimum(given, MAX_DECAY)
        slope = tl.where(given <= MAX_DECAY, 1.0, 0.0)
    if EXPONENTIAL:
        turn = tl.exp(turn)
    return real, turn, slope, step


@triton.jit
def forward_kernel(
    decay, frequency, logarithm, transition, scale, count, group, MAX_DECAY: tl.constexpr, METHOD: tl.constexpr,
    LOG_DECAY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write Ā and the scale of every mode as pairs; `group` modes share a logarithm."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    r, w, _, step = _read(
        decay, frequency, logarithm, place, inside, group, MAX_DECAY, METHOD == "exponential", LOG_DECAY
    )
    if METHOD == "zoh":
        g_r, g_i = _growth(r * step, w * step)
        a_r, a_i = g_r + 1.0, g_i
        s_r, s_i = _quotient(g_r, g_i, r, w)
    elif METHOD == "bilinear":
        h_r, h_i = r * (step / 2.0), w * (step / 2.0)
        a_r, a_i = _quotient(1.0 + h_r, h_i, 1.0 - h_r, -h_i)
        s_r, s_i = _quotient(step, 0.0 * step, 1.0 - h_r, -h_i)
    else:
        size = tl.exp(r)
        a_r, a_i = size * tl.cos(w), size * tl.sin(w)
        s_r, s_i = step, 0.0 * step
    tl.store(transition + 2 * place, a_r, mask=inside)
    tl.store(transition + 2 * place + 1, a_i, mask=inside)
    tl.store(scale + 2 * place, s_r, mask=inside)
    tl.store(scale + 2 * place + 1, s_i, mask=inside)


@triton.jit
def backward_kernel(
    decay, frequency, logarithm, grad_transition, grad_scale, grad_decay, grad_frequency, grad_logarithm, count,
    group, MAX_DECAY: tl.constexpr, METHOD: tl.constexpr, LOG_DECAY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write the gradients of every mode's parameters: g conj(f') for each holomorphic f of Λ and of the time step."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    r, w, slope, step = _read(
        decay, frequency, logarithm, place, inside, group, MAX_DECAY, METHOD == "exponential", LOG_DECAY
    )
    ga_r = tl.load(grad_transition + 2 * place, mask=inside, other=0.0).to(tl.float64)
    ga_i = tl.load(grad_transition + 2 * place + 1, mask=inside, other=0.0).to(tl.float64)
    gs_r = tl.load(grad_scale + 2 * place, mask=inside, other=0.0).to(tl.float64)
    gs_i = tl.load(grad_scale + 2 * place + 1, mask=inside, other=0.0).to(tl.float64)
    if METHOD == "zoh":
        # dĀ/dΛ = Δ Ā, dĀ/dΔ = Λ Ā, dscale/dΛ = (Δ Ā − scale) / Λ, dscale/dΔ = Ā.
        g_r, g_i = _growth(r * step, w * step)
        a_r, a_i = g_r + 1.0, g_i
        s_r, s_i = _quotient(g_r, g_i, r, w)
        q_r, q_i = _quotient(step * a_r - s_r, step * a_i - s_i, r, w)
        t_r, t_i = _product(r, w, a_r, a_i)
        x_r, x_i = _product(ga_r, ga_i, step * a_r, -step * a_i)
        y_r, y_i = _product(gs_r, gs_i, q_r, -q_i)
        x_r, x_i = x_r + y_r, x_i + y_i
        to_step = ga_r * t_r + ga_i * t_i + gs_r * a_r + gs_i * a_i
    elif METHOD == "bilinear":
        # With h = Λ Δ / 2 and d = 1 − h: dĀ/dh = 2 / d², dscale/dh = Δ / d², and dscale/dΔ = 1 / d beside.
        d_r, d_i = 1.0 - r * (step / 2.0), -w * (step / 2.0)
        i_r, i_i = _quotient(1.0 + 0.0 * d_r, 0.0 * d_r, d_r, d_i)
        q_r, q_i = _product(i_r, i_i, i_r, i_i)
        x_r, x_i = _product(2.0 * ga_r + step * gs_r, 2.0 * ga_i + step * gs_i, q_r, -q_i)
        to_step = 0.5 * (x_r * r + x_i * w) + gs_r * i_r + gs_i * i_i
        x_r, x_i = x_r * (step / 2.0), x_i * (step / 2.0)
    else:
        size = tl.exp(r)
        x_r, x_i = _product(ga_r, ga_i, size * tl.cos(w), -size * tl.sin(w))
        x_i = x_i * w
        to_step = gs_r
    tl.store(grad_decay + place, x_r * slope, mask=inside)
    tl.store(grad_frequency + place, x_i, mask=inside)
    tl.store(grad_logarithm + place, to_step * step, mask=inside)
