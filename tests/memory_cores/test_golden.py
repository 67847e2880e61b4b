"""Literal numbers, worked out from the published formulas."""

import math

import pytest
import torch

from engram.memory_cores import FFM, S5
from engram.memory_cores.cores.ffm import decay_limit, decay_range
from engram.memory_cores.scan import linear_scan, linear_scan_reference
from engram.memory_cores.state_space import discretize
from engram.memory_cores.state_space.hippo import hippo_blocks, hippo_normal
from engram.memory_cores.state_space.s5_ssm import S5SSM, lecun_normal

SCANS = pytest.mark.parametrize("scan", [linear_scan, linear_scan_reference])


def rows(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype).reshape(1, -1, 1)


@SCANS
@pytest.mark.parametrize(
    ("initial", "expected"), [(None, [5, 4.5, 3, 5.5, 5]), (2.0, [5, 4.5, 4, 6, 6])], ids=["zero", "learned"]
)
@pytest.mark.parametrize("constant", [True, False])
def test_affine_scan_with_reset(scan, initial, expected, constant):
    a = torch.full((1,) if constant else (1, 5, 1), 0.5, dtype=torch.float64)
    is_first = torch.tensor([[0, 0, 1, 0, 1]], dtype=torch.bool)
    initial = None if initial is None else torch.tensor([initial], dtype=torch.float64)
    carry = torch.tensor([[8.0]], dtype=torch.float64)
    states = scan(a, rows(1.0, 2, 3, 4, 5), is_first, carry, initial)
    assert states.flatten().tolist() == expected


@SCANS
def test_scan_of_decay_one_half(scan):
    a = torch.tensor([0.5], dtype=torch.complex128)
    is_first = torch.tensor([[0, 0, 1]], dtype=torch.bool)
    carry = torch.tensor([[2.0]], dtype=torch.complex128)
    states = scan(a, rows(1.0, 1, 1, dtype=torch.complex128), is_first, carry)
    assert states.flatten().tolist() == [2, 2, 1]


def ffm_trace():
    """An FFM of one row and one column with a = ln ½, b = π/2 that writes 1 at every row.

    The default `max_length` of 1024 would clamp a: |a| <= 0.6831.
    """
    core = FFM(1, hidden_size=1, memory_size=1, context_size=1, max_length=512).double()
    with torch.no_grad():
        core.decay.fill_(math.log(0.5))
        core.phase.fill_(math.pi / 2)
        core.project.weight.zero_()
        core.project.bias.copy_(torch.tensor([2.0, 0, 0, 0]))  # 2 · σ(0) = 1
    return core


@SCANS
def test_scan_runs_a_mingru(scan):
    """The transition changes from row to row: h = (1 - z) h + z h̃ with z = sigmoid(logits)."""
    z = torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64).sigmoid().view(1, 3, 1)
    candidates = torch.tensor([1.0, -1.0, 2.0], dtype=torch.float64).view(1, 3, 1)
    is_first = torch.zeros(1, 3, dtype=torch.bool)
    states = scan(1 - z, z * candidates, is_first, torch.full((1, 1), 0.5, dtype=torch.float64))
    expected = torch.tensor([0.75, -0.529353, 0.150895], dtype=torch.float64)
    torch.testing.assert_close(states.flatten(), expected, rtol=0, atol=1e-6)


def test_ffm_trace():
    core, x = ffm_trace(), torch.zeros(1, 4, 1, dtype=torch.float64)
    is_first = torch.tensor([[0, 0, 1, 0]], dtype=torch.bool)
    expected = torch.tensor([1, 1 + 0.5j, 1, 1 + 0.5j], dtype=torch.complex128)
    _, carries = core(x, core.initial_carry(1), is_first, all_carries=True)
    torch.testing.assert_close(carries["trace"].flatten(), expected)
    carry = core.initial_carry(1)
    for t in range(4):
        _, carry = core.step(x[:, t], carry, is_first[:, t])
        torch.testing.assert_close(carry["trace"].flatten(), expected[t : t + 1])


def test_ffm_readout_normalises_then_gates():
    torch.manual_seed(0)
    core = FFM(3, hidden_size=4, memory_size=2, context_size=2).double()
    x = torch.randn(1, 3, dtype=torch.float64)
    y, carry = core.step(x, core.initial_carry(1), torch.tensor([True]))
    trace = carry["trace"][0]
    _, _, gate, skip = (x[0] @ core.project.weight.T + core.project.bias).split([2, 2, 4, 4])
    z = core.readout.weight @ torch.cat([trace.real.flatten(), trace.imag.flatten()]) + core.readout.bias
    normal = (z - z.mean()) / (z.var(correction=0) + 1e-5).sqrt()
    gate = 1 / (1 + torch.exp(-gate))
    torch.testing.assert_close(y[0], normal * gate + skip * (1 - gate))


def test_ffm_constants():
    limit = decay_limit(1024)
    fastest, slowest = decay_range(limit, 1024, 0.01)
    assert (round(limit, 6), round(fastest, 6), round(slowest, 6)) == (0.683147, -0.673147, -0.004497)
    core = FFM(3, hidden_size=4, memory_size=32, context_size=4)
    torch.testing.assert_close(core.decay[[0, -1]], torch.tensor([-0.673147, -0.004497]), rtol=0, atol=1e-6)
    periods = 2 * math.pi / core.phase.detach()
    torch.testing.assert_close(periods, torch.tensor([1.0, 342.0, 683.0, 1024.0]))


def test_ffm_parameter_count():
    core = FFM(128, hidden_size=256, memory_size=32, context_size=4)
    assert sum(parameter.numel() for parameter in core.parameters()) == 140_132
    assert core.carry_size() == 256


@pytest.mark.parametrize("decay", [-2.0, 0.5])
def test_ffm_clamps_alike_by_rows_and_by_sequences(decay):
    core = ffm_trace()
    torch.nn.init.constant_(core.decay, decay)
    x, is_first = torch.zeros(1, 2, 1, dtype=torch.float64), torch.zeros(1, 2, dtype=torch.bool)
    rate = math.exp(-decay_limit(512) if decay < 0 else -1e-8)
    _, carry = core(x, core.initial_carry(1), is_first)
    torch.testing.assert_close(
        carry["trace"].flatten(), torch.tensor([1 + rate * 1j], dtype=torch.complex128)
    )
    _, once = core.step(x[:, 0], core.initial_carry(1), is_first[:, 0])
    _, twice = core.step(x[:, 1], once, is_first[:, 1])
    torch.testing.assert_close(twice["trace"], carry["trace"])


@pytest.mark.parametrize(
    ("method", "transition", "scale"),
    [
        ("zoh", 0.932268 + 0.188980j, 0.096900 + 0.009641j),
        ("bilinear", 0.932823 + 0.188568j, 0.096641 + 0.009428j),
    ],
)
def test_discretization(method, transition, scale):
    eigenvalue = torch.tensor([-0.5 + 2j], dtype=torch.complex128)
    actual = discretize(eigenvalue, torch.tensor([0.1], dtype=torch.float64), method)
    expected = [torch.tensor([value], dtype=torch.complex128) for value in (transition, scale)]
    torch.testing.assert_close(list(actual), expected, rtol=0, atol=1e-6)


def test_s5_of_one_mode():
    ssm = S5SSM(1, 2, 1, True, "zoh", True, 0.001, 0.1).double()
    with torch.no_grad():
        ssm.eigenvalue_real.fill_(-0.5)
        ssm.eigenvalue_imag.fill_(2.0)
        ssm.log_time_step.fill_(math.log(0.1))
        ssm.input_matrix.copy_(torch.tensor([[1.0], [0.0]]))
        ssm.output_matrix.copy_(torch.tensor([[1.0, -1.0]]))  # stored conjugated: C̃ = 1 + i
        ssm.skip.zero_()
    u, expected = rows(1.0, 0, 1), [0.174519, 0.122430, 0.244883]
    state = torch.zeros(1, 1, dtype=torch.complex128)
    is_first = torch.zeros(1, 3, dtype=torch.bool)
    y = ssm(u, ssm.modes().rounded(), lambda a, b, read: linear_scan(a, b, is_first, state))
    torch.testing.assert_close(y.flatten(), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-6)
    for t in range(3):
        assert abs(y[0, t].item() - expected[t]) < 1e-6


@pytest.mark.parametrize(("size", "imaginary"), [(2, [0.866025]), (4, [0.556501, 4.603293])])
def test_hippo_eigenvalues(size, imaginary):
    eigenvalues, _ = hippo_normal(size)
    torch.testing.assert_close(eigenvalues.real, torch.full((size,), -0.5, dtype=torch.float64))
    expected = torch.tensor(sorted([*imaginary, *(-value for value in imaginary)]), dtype=torch.float64)
    torch.testing.assert_close(eigenvalues.imag, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "largest"), [(8, "19.857"), (16, "80.966"), (32, "325.426"), (64, "1303.27"), (256, "20860.2")]
)
def test_hippo_largest_imaginary_part(size, largest):
    digits = len(largest.split(".")[1])
    assert f"{hippo_normal(size)[0].imag.max():.{digits}f}" == largest


def test_hippo_vectors_diagonalise():
    eigenvalues, vectors = hippo_normal(6)
    index = torch.arange(6, dtype=torch.float64)
    p = (1 + 2 * index).sqrt()
    normal = -(torch.outer(p, p).tril() - index.diag()) + torch.outer(
        (index + 0.5).sqrt(), (index + 0.5).sqrt()
    )
    rebuilt = vectors @ eigenvalues.diag() @ vectors.mH
    torch.testing.assert_close(rebuilt, normal.to(torch.complex128), rtol=0, atol=1e-10)


def test_hippo_blocks_keep_half_of_each():
    eigenvalues, vectors = hippo_blocks(8, blocks=2, conj_sym=True)
    assert eigenvalues.shape == (4,) and vectors.shape == (8, 4)
    assert (eigenvalues.imag < 0).all()
    torch.testing.assert_close(eigenvalues[:2], eigenvalues[2:])
    assert torch.count_nonzero(vectors[:4, 2:]) == 0 and torch.count_nonzero(vectors[4:, :2]) == 0


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
def test_conjugate_symmetry_is_the_full_model(method):
    """Half of the modes and a factor of two give what all modes give, for real B and C."""
    torch.manual_seed(0)
    half = S5SSM(3, 8, 1, True, method, True, 0.001, 0.1).double()
    torch.manual_seed(0)
    full = S5SSM(3, 8, 1, False, method, True, 0.001, 0.1).double()
    with torch.no_grad():
        full.skip.copy_(half.skip)
        full.log_time_step.fill_(-3.0)
        half.log_time_step.fill_(-3.0)
        # C is drawn complex; the equality needs C̃ of each pair to be conjugate, as it is for real C.
        order = torch.arange(7, 3, -1)
        c = half.output_matrix.unflatten(1, (4, 2))
        full.output_matrix.unflatten(1, (8, 2))[:, :4] = c
        full.output_matrix.unflatten(1, (8, 2))[:, order] = c * torch.tensor([1.0, -1.0])
        b = half.input_matrix.unflatten(0, (4, 2))
        full.input_matrix.unflatten(0, (8, 2))[:4] = b
        full.input_matrix.unflatten(0, (8, 2))[order] = b * torch.tensor([[1.0], [-1.0]])
    u, is_first = torch.randn(2, 5, 3, dtype=torch.float64), torch.zeros(2, 5, dtype=torch.bool)
    outputs = [
        ssm(
            u,
            ssm.modes().rounded(),
            lambda a, b, read: linear_scan(a, b, is_first, torch.zeros_like(b[:, 0])),
        )
        for ssm in (half, full)
    ]
    torch.testing.assert_close(outputs[0], outputs[1])


def test_ssm_starts_as_real_b_and_c_in_the_basis_of_the_eigenvectors():
    """V is unitary, so Re(C̃ B̃) = Re(C V Vᴴ B) = Re(C) B with the B and C that were drawn."""
    torch.manual_seed(0)
    b, c = lecun_normal(6, 3, fan_in=3), lecun_normal(3, 6, fan_in=6)
    torch.manual_seed(0)
    ssm = S5SSM(3, 6, 1, False, "zoh", True, 0.001, 0.1).double()
    torch.nn.init.zeros_(ssm.skip)
    u = torch.randn(2, 3, dtype=torch.float64)
    y = ssm.read(u, ssm.drive(u, torch.ones(6, dtype=torch.complex128)))
    torch.testing.assert_close(y, u @ (c @ b).T, rtol=1e-5, atol=1e-6)


def test_s5_parameter_and_state_counts():
    core = S5(256, num_layers=4, prenorm=False)
    assert sum(parameter.numel() for parameter in core.parameters()) == 1_053_184
    assert core.carry_size() == 1024


def test_s5_clips_eigenvalues_that_would_explode():
    ssm = S5SSM(1, 2, 1, True, "zoh", True, 0.001, 0.1)
    loose = S5SSM(1, 2, 1, True, "zoh", False, 0.001, 0.1)
    for module in (ssm, loose):
        torch.nn.init.constant_(module.eigenvalue_real, 0.3)
    assert ssm.modes().transition()[0].abs().max() < 1
    assert loose.modes().transition()[0].abs().max() > 1


@pytest.mark.parametrize("activation", ["full_glu", "half_glu1", "half_glu2", "gelu"])
@pytest.mark.parametrize(
    "options", [{}, {"prenorm": False, "postnorm": True}, {"conj_sym": False, "blocks": 2}]
)
@pytest.mark.parametrize("discretization", ["zoh", "bilinear"])
def test_every_s5_option_runs_alike_by_rows_and_by_sequences(activation, options, discretization):
    torch.manual_seed(0)
    core = S5(
        3,
        hidden_size=4,
        state_size=4,
        num_layers=2,
        activation=activation,
        discretization=discretization,
        **options,
    ).double()
    x, is_first = torch.randn(2, 5, 3, dtype=torch.float64), torch.rand(2, 5) < 0.3
    carry = core.initial_carry(2)
    y, _ = core(x, carry, is_first)
    for t in range(5):
        y_t, carry = core.step(x[:, t], carry, is_first[:, t])
        torch.testing.assert_close(y_t, y[:, t])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"state_size": 7}, "multiple of 2"),
        ({"discretization": "euler"}, "one of zoh, bilinear"),
        ({"activation": "relu"}, "one of full_glu"),
        ({"dt_min": 0.2}, r"dt_min of S5 must be at most dt_max \(0\.1\), but got 0\.2"),
        ({"state_scale": 0.0}, "state_scale of S5 must be a number above 0, or null, but got 0.0"),
    ],
)
def test_wrong_s5_options_get_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        S5(3, hidden_size=4, **options)


@pytest.mark.parametrize(
    "options", [{"min_period": 0}, {"min_period": 5, "max_period": 4}, {"forgotten_at": 2}]
)
def test_wrong_ffm_options_get_a_sentence(options):
    with pytest.raises(ValueError, match=r"must be (a number (above|between)|at most max_period)"):
        FFM(3, hidden_size=4, **options)
