"""The body's motion on a CUDA device: one body for each lane, all of its state in registers.

It is `cpu_kernels` with selection in the place of branches: every lane visits every contact, and only those that
exist count. Lengths are in metres, forces in newtons, numbers float64.
"""

# mypy: disable-error-code="no-untyped-def, assignment"

import triton
import triton.language as tl

from engram.envs.memory_maze.motion import body as made_of

SUBSTEPS, TIME_STEP = tl.constexpr(made_of.SUBSTEPS), tl.constexpr(made_of.TIME_STEP)
SWEEPS, NOSLIP = tl.constexpr(made_of.SWEEPS), tl.constexpr(made_of.NOSLIP_SWEEPS)
NEWTON_STEPS = tl.constexpr(made_of.NEWTON_STEPS)
RADIUS, MASS, GRAVITY = (tl.constexpr(value) for value in (made_of.RADIUS, made_of.MASS, made_of.GRAVITY))
AHEAD, SPIN = tl.constexpr(made_of.MASS_AHEAD), tl.constexpr(made_of.SPIN_FRICTION)
ROLL_INERTIA = tl.constexpr(made_of.ROLL_INERTIA)
ROLL_TORQUE, ROLL_DAMPING = tl.constexpr(made_of.ROLL_TORQUE), tl.constexpr(made_of.ROLL_DAMPING)
TURN_TORQUE, TURN_DAMPING = tl.constexpr(made_of.TURN_TORQUE), tl.constexpr(made_of.TURN_DAMPING)
DAMPING, STIFFNESS = tl.constexpr(made_of.CONTACT_DAMPING), tl.constexpr(made_of.CONTACT_STIFFNESS)
MIN_IMPEDANCE, MAX_IMPEDANCE = tl.constexpr(made_of.MIN_IMPEDANCE), tl.constexpr(made_of.MAX_IMPEDANCE)
PER_MASS, PER_ROLL_INERTIA = tl.constexpr(1.0 / made_of.MASS), tl.constexpr(1.0 / made_of.ROLL_INERTIA)
PER_IMPEDANCE_DEPTH = tl.constexpr(1.0 / made_of.IMPEDANCE_DEPTH)
TINY = tl.constexpr(1e-20)

_DETERMINANT = made_of.MASS * made_of.TURN_INERTIA - made_of.MASS_AHEAD**2
_DAMPED_INERTIA = made_of.TURN_INERTIA + made_of.TIME_STEP * made_of.TURN_DAMPING
SIDE, TURN = tl.constexpr(made_of.TURN_INERTIA / _DETERMINANT), tl.constexpr(made_of.MASS / _DETERMINANT)
CROSS = tl.constexpr(-made_of.MASS_AHEAD / _DETERMINANT)
DAMPED_DETERMINANT = tl.constexpr(made_of.MASS * _DAMPED_INERTIA - made_of.MASS_AHEAD**2)
DAMPED_ROLL = tl.constexpr(
    made_of.ROLL_INERTIA / (made_of.ROLL_INERTIA + made_of.TIME_STEP * made_of.ROLL_DAMPING)
)
FORWARD_ON_FLOOR = tl.constexpr(1.0 / made_of.MASS + made_of.RADIUS**2 / made_of.ROLL_INERTIA)
SPIN_ON_FLOOR = tl.constexpr(made_of.SPIN_FRICTION**2 * made_of.MASS / _DETERMINANT)


@triton.jit
def _spring(distance):
    """Return a contact's softness, as a share of its inverse mass, and the acceleration its spring resists."""
    depth = tl.minimum(tl.maximum(-distance * PER_IMPEDANCE_DEPTH, 0.0), 1.0)
    rise = tl.where(depth <= 0.5, 2.0 * depth * depth, 1.0 - 2.0 * (1.0 - depth) * (1.0 - depth))
    impedance = MIN_IMPEDANCE + (MAX_IMPEDANCE - MIN_IMPEDANCE) * rise
    return (1.0 - impedance) / impedance, STIFFNESS * impedance * distance


@triton.jit
def _reciprocals(a, b, c):
    """Return 1 / a, 1 / b and 1 / c by one division, which takes as long as eight products."""
    per_all = 1.0 / (a * b * c)
    return b * c * per_all, a * c * per_all, a * b * per_all


@triton.jit
def _solve(
    normal, a_n, g_n, a_0, g_0, a_1, g_1, a_2, g_2, softness, multiplier, STAGE: tl.constexpr
):  # fmt: skip
    """Solve one contact as `cpu_kernels` does: its four forces and the multiplier."""
    zero = tl.zeros_like(normal)
    if STAGE == 0:
        a_n, a_0, a_1, a_2 = a_n + softness, a_0 + softness, a_1 + softness, a_2 + softness
        normal = -g_n / a_n
    else:
        per_normal = 1.0 / tl.maximum(normal, TINY)
    i_0, i_1, i_2 = _reciprocals(a_0, a_1, a_2)
    f_0, f_1, f_2 = g_0 * i_0, g_1 * i_1, g_2 * i_2
    is_inside = (normal >= 0.0) & (f_0 * f_0 + f_1 * f_1 + f_2 * f_2 <= normal * normal)
    found = multiplier
    for _ in tl.static_range(NEWTON_STEPS):
        i_0, i_1, i_2 = _reciprocals(a_0 + found, a_1 + found, a_2 + found)
        f_0, f_1, f_2 = g_0 * i_0, g_1 * i_1, g_2 * i_2
        size = tl.sqrt(f_0 * f_0 + f_1 * f_1 + f_2 * f_2 + TINY)
        per_size = 1.0 / size
        bend = (f_0 * f_0 * i_0 + f_1 * f_1 * i_1 + f_2 * f_2 * i_2) * per_size * per_size + TINY
        if STAGE == 0:
            found -= (found - a_n - g_n * per_size) / tl.maximum(1.0 - g_n * bend * per_size, 0.1)
        else:
            found += (size * per_normal - 1.0) / bend
        found = tl.minimum(tl.maximum(found, 0.0), 1e9)
    found = tl.where(is_inside, zero, found)
    i_0, i_1, i_2 = _reciprocals(a_0 + found, a_1 + found, a_2 + found)
    f_0, f_1, f_2 = -g_0 * i_0, -g_1 * i_1, -g_2 * i_2
    size = tl.sqrt(f_0 * f_0 + f_1 * f_1 + f_2 * f_2)
    if STAGE == 0:
        is_apart = (is_inside == 0) & (g_n >= 0.0) & (g_0 * g_0 + g_1 * g_1 + g_2 * g_2 <= g_n * g_n)
        keeps = tl.where(is_apart, zero, 1.0)
        normal, found = tl.where(is_inside, normal, size * keeps), found * keeps
    else:
        keeps = tl.where(is_inside, 1.0, normal / (size + TINY))
    return normal, f_0 * keeps, f_1 * keeps, f_2 * keeps, found


@triton.jit
def _push_floor(r_0, r_1, r_2, r_3, r_4, normal, forward, side, spin):
    """Return the accelerations with what the floor's forces add."""
    torque = SPIN * spin
    r_4 -= RADIUS * forward * PER_ROLL_INERTIA
    return (
        r_0 + forward * PER_MASS,
        r_1 + SIDE * side + CROSS * torque,
        r_2 + normal * PER_MASS,
        r_3 + CROSS * side + TURN * torque,
        r_4,
    )


@triton.jit
def _push_wall(r_0, r_1, r_2, r_3, r_4, n_f, n_l, normal, along, up, spin):
    """Return the accelerations with what a wall's forces add."""
    side, torque = n_l * normal + n_f * along, -RADIUS * along
    return (
        r_0 + (n_f * normal - n_l * along) * PER_MASS,
        r_1 + SIDE * side + CROSS * torque,
        r_2 + up * PER_MASS,
        r_3 + CROSS * side + TURN * torque,
        r_4 + (RADIUS * n_f * up + SPIN * n_l * spin) * PER_ROLL_INERTIA,
    )


@triton.jit
def _visit_floor(
    visits, r_0, r_1, r_2, r_3, r_4, v_0, v_1, v_2, v_3, v_4, distance, normal, f_0, f_1, f_2, found,
    STAGE: tl.constexpr,
):  # fmt: skip
    """Solve the floor's contact where it is visited: accelerations, forces, multiplier."""
    softness, pull = _spring(distance)
    g_n = r_2 + DAMPING * v_2 + pull - normal * PER_MASS
    g_0 = r_0 - RADIUS * r_4 + DAMPING * (v_0 - RADIUS * v_4) - FORWARD_ON_FLOOR * f_0
    g_1 = r_1 + DAMPING * v_1 - SIDE * f_1
    g_2 = SPIN * (r_3 + DAMPING * v_3) - SPIN_ON_FLOOR * f_2
    one = tl.zeros_like(normal) + 1.0
    normal_, f_0_, f_1_, f_2_, found_ = _solve(
        normal, one * PER_MASS, g_n, one * FORWARD_ON_FLOOR, g_0, one * SIDE, g_1, one * SPIN_ON_FLOOR, g_2,
        softness * PER_MASS, found, STAGE,
    )  # fmt: skip
    normal_, f_0_ = tl.where(visits, normal_, normal), tl.where(visits, f_0_, f_0)
    f_1_, f_2_ = tl.where(visits, f_1_, f_1), tl.where(visits, f_2_, f_2)
    r_0, r_1, r_2, r_3, r_4 = _push_floor(
        r_0, r_1, r_2, r_3, r_4, normal_ - normal, f_0_ - f_0, f_1_ - f_1, f_2_ - f_2
    )
    return r_0, r_1, r_2, r_3, r_4, normal_, f_0_, f_1_, f_2_, tl.where(visits, found_, found)


@triton.jit
def _visit_wall(
    visits, r_0, r_1, r_2, r_3, r_4, v_0, v_1, v_2, v_3, v_4, n_f, n_l, distance, normal, f_0, f_1, f_2, found,
    STAGE: tl.constexpr,
):  # fmt: skip
    """Solve a wall's contact where it is visited: accelerations, forces, multiplier."""
    a_n = n_f * n_f * PER_MASS + n_l * n_l * SIDE
    a_0 = n_l * n_l * PER_MASS + n_f * n_f * SIDE - 2.0 * RADIUS * n_f * CROSS + RADIUS * RADIUS * TURN
    a_1 = 1.0 * PER_MASS + RADIUS * n_f * (RADIUS * n_f) * PER_ROLL_INERTIA
    a_2 = SPIN * n_l * (SPIN * n_l) * PER_ROLL_INERTIA + TINY
    softness, pull = _spring(distance)
    g_n = n_f * r_0 + n_l * r_1 + DAMPING * (n_f * v_0 + n_l * v_1) + pull - a_n * normal
    g_0 = n_f * r_1 - n_l * r_0 - RADIUS * r_3
    g_0 += DAMPING * (n_f * v_1 - n_l * v_0 - RADIUS * v_3) - a_0 * f_0
    g_1 = r_2 + RADIUS * n_f * r_4 + DAMPING * (v_2 + RADIUS * n_f * v_4) - a_1 * f_1
    g_2 = SPIN * n_l * (r_4 + DAMPING * v_4) - a_2 * f_2
    normal_, f_0_, f_1_, f_2_, found_ = _solve(
        normal, a_n, g_n, a_0, g_0, a_1, g_1, a_2, g_2, softness * a_n, found, STAGE
    )
    normal_, f_0_ = tl.where(visits, normal_, normal), tl.where(visits, f_0_, f_0)
    f_1_, f_2_ = tl.where(visits, f_1_, f_1), tl.where(visits, f_2_, f_2)
    r_0, r_1, r_2, r_3, r_4 = _push_wall(
        r_0, r_1, r_2, r_3, r_4, n_f, n_l, normal_ - normal, f_0_ - f_0, f_1_ - f_1, f_2_ - f_2
    )
    return r_0, r_1, r_2, r_3, r_4, normal_, f_0_, f_1_, f_2_, tl.where(visits, found_, found)


@triton.jit
def _find_walls(walls, x, y, ahead, left, SIZE: tl.constexpr):
    """Return normals and distances of the wall in x or a corner, and of the wall in y; a distance of 1 is none."""
    column, row = tl.floor(x * 0.5), tl.floor(y * 0.5)
    x, y = x - 2.0 * column, y - 2.0 * row
    to_x, to_y = tl.where(x > 1.0, 1, -1), tl.where(y > 1.0, 1, -1)
    x, y = tl.where(x > 1.0, 2.0 - x, x), tl.where(y > 1.0, 2.0 - y, y)
    here = walls + (row.to(tl.int64) + 1) * SIZE + column.to(tl.int64) + 1
    in_x, in_y = tl.load(here + to_x) != 0, tl.load(here + to_y * SIZE) != 0
    at_corner = (tl.load(here + to_y * SIZE + to_x) != 0) & (in_x == 0) & (in_y == 0)
    length = tl.sqrt(x * x + y * y + TINY)
    d_1 = tl.where(in_x, x - RADIUS, tl.where(at_corner, length - RADIUS, 1.0))
    d_2 = tl.where(in_y, y - RADIUS, 1.0)
    n_x = -to_x.to(tl.float64) * tl.where(at_corner, x / length, 1.0)
    n_y = -to_y.to(tl.float64) * tl.where(at_corner, y / length, 0.0)
    up = -to_y.to(tl.float64)
    return n_x * ahead + n_y * left, n_y * ahead - n_x * left, d_1, up * left, up * ahead, d_2


@triton.jit
def _sweep(
    is_first, at_wall, r_0, r_1, r_2, r_3, r_4, v_0, v_1, v_2, v_3, v_4, d_0, d_1, d_2, a_f, a_l, b_f, b_l,
    p_n, p_0, p_1, p_2, q_n, q_0, q_1, q_2, s_n, s_0, s_1, s_2, l_0, l_1, l_2, STAGE: tl.constexpr,
):  # fmt: skip
    """Visit the floor and both walls once, the second time only where a wall is touched."""
    again = at_wall | is_first
    r_0, r_1, r_2, r_3, r_4, p_n, p_0, p_1, p_2, l_0 = _visit_floor(
        again & (d_0 < 0.0), r_0, r_1, r_2, r_3, r_4, v_0, v_1, v_2, v_3, v_4, d_0,
        p_n, p_0, p_1, p_2, l_0, STAGE,
    )  # fmt: skip
    r_0, r_1, r_2, r_3, r_4, q_n, q_0, q_1, q_2, l_1 = _visit_wall(
        d_1 < 0.0, r_0, r_1, r_2, r_3, r_4, v_0, v_1, v_2, v_3, v_4, a_f, a_l, d_1,
        q_n, q_0, q_1, q_2, l_1, STAGE,
    )  # fmt: skip
    r_0, r_1, r_2, r_3, r_4, s_n, s_0, s_1, s_2, l_2 = _visit_wall(
        d_2 < 0.0, r_0, r_1, r_2, r_3, r_4, v_0, v_1, v_2, v_3, v_4, b_f, b_l, d_2,
        s_n, s_0, s_1, s_2, l_2, STAGE,
    )  # fmt: skip
    return (
        r_0, r_1, r_2, r_3, r_4, p_n, p_0, p_1, p_2, q_n, q_0, q_1, q_2, s_n, s_0, s_1, s_2, l_0, l_1, l_2,
    )  # fmt: skip


@triton.jit
def move_bodies(
    body, drive, steer, walls, layout, target, reach, moved, touched, count, SIZE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Move every body for one step; arguments as in `cpu_kernels`, `reach` float64 [1]."""
    lane = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = lane < count
    lane = tl.where(mask, lane, 0)
    state = body + lane * 9
    x, y, z, heading = tl.load(state), tl.load(state + 1), tl.load(state + 2), tl.load(state + 3)
    s_x, s_y, s_z = tl.load(state + 4), tl.load(state + 5), tl.load(state + 6)
    v_3, v_4 = tl.load(state + 7), tl.load(state + 8)
    drive, steer = tl.load(drive + lane), tl.load(steer + lane)
    walls += tl.load(layout + lane) * SIZE * SIZE
    goal_x, goal_y, reach = tl.load(target + lane * 2), tl.load(target + lane * 2 + 1), tl.load(reach)
    zero = tl.zeros_like(x)
    p_n = zero + MASS * GRAVITY
    p_0, p_1, p_2, q_n, q_0, q_1, q_2, s_n, s_0, s_1, s_2 = (
        zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero,
    )  # fmt: skip
    l_0, l_1, l_2, m_0, m_1, m_2 = zero, zero, zero, zero, zero, zero
    is_touched = tl.zeros_like(lane)
    for _ in range(SUBSTEPS):
        ahead, left = tl.cos(heading), tl.sin(heading)
        a_f, a_l, d_1, b_f, b_l, d_2 = _find_walls(walls, x, y, ahead, left, SIZE)
        d_0 = z - RADIUS
        v_0, v_1, v_2 = s_x * ahead + s_y * left, s_y * ahead - s_x * left, s_z
        torque = TURN_TORQUE * steer - TURN_DAMPING * v_3
        r_0, r_1, r_2 = AHEAD * PER_MASS * v_3 * v_3, CROSS * torque, zero - GRAVITY
        r_3, r_4 = TURN * torque, (ROLL_TORQUE * drive - ROLL_DAMPING * v_4) * PER_ROLL_INERTIA
        on_floor, at_x, at_y = d_0 < 0.0, d_1 < 0.0, d_2 < 0.0
        p_n, p_0 = tl.where(on_floor, p_n, zero), tl.where(on_floor, p_0, zero)
        p_1, p_2 = tl.where(on_floor, p_1, zero), tl.where(on_floor, p_2, zero)
        q_n, q_0 = tl.where(at_x, q_n, zero), tl.where(at_x, q_0, zero)
        q_1, q_2 = tl.where(at_x, q_1, zero), tl.where(at_x, q_2, zero)
        s_n, s_0 = tl.where(at_y, s_n, zero), tl.where(at_y, s_0, zero)
        s_1, s_2 = tl.where(at_y, s_1, zero), tl.where(at_y, s_2, zero)
        r_0, r_1, r_2, r_3, r_4 = _push_floor(r_0, r_1, r_2, r_3, r_4, p_n, p_0, p_1, p_2)
        r_0, r_1, r_2, r_3, r_4 = _push_wall(r_0, r_1, r_2, r_3, r_4, a_f, a_l, q_n, q_0, q_1, q_2)
        r_0, r_1, r_2, r_3, r_4 = _push_wall(r_0, r_1, r_2, r_3, r_4, b_f, b_l, s_n, s_0, s_1, s_2)
        at_wall = at_x | at_y
        # A warp whose bodies all touch nothing but the floor needs one sweep of each kind.
        near = tl.max(at_wall.to(tl.int32), axis=0)
        sweep, last = near * 0, near * (SWEEPS - 1) + 1
        while sweep < last:
            (
                r_0, r_1, r_2, r_3, r_4, p_n, p_0, p_1, p_2, q_n, q_0, q_1, q_2, s_n, s_0, s_1, s_2, l_0, l_1, l_2,
            ) = _sweep(
                sweep == 0, at_wall, r_0, r_1, r_2, r_3, r_4, v_0, v_1, v_2, v_3, v_4, d_0, d_1, d_2,
                a_f, a_l, b_f, b_l, p_n, p_0, p_1, p_2, q_n, q_0, q_1, q_2, s_n, s_0, s_1, s_2, l_0, l_1, l_2, 0,
            )  # fmt: skip
            sweep += 1
        sweep, last = near * 0, near * (NOSLIP - 1) + 1
        while sweep < last:
            (
                r_0, r_1, r_2, r_3, r_4, p_n, p_0, p_1, p_2, q_n, q_0, q_1, q_2, s_n, s_0, s_1, s_2, m_0, m_1, m_2,
            ) = _sweep(
                sweep == 0, at_wall, r_0, r_1, r_2, r_3, r_4, v_0, v_1, v_2, v_3, v_4, d_0, d_1, d_2,
                a_f, a_l, b_f, b_l, p_n, p_0, p_1, p_2, q_n, q_0, q_1, q_2, s_n, s_0, s_1, s_2, m_0, m_1, m_2, 1,
            )  # fmt: skip
            sweep += 1
        resisted = TIME_STEP * TURN_DAMPING * r_3 / DAMPED_DETERMINANT
        side, turn = r_1 + AHEAD * resisted, r_3 - MASS * resisted
        s_x += TIME_STEP * (r_0 * ahead - side * left)
        s_y += TIME_STEP * (r_0 * left + side * ahead)
        s_z += TIME_STEP * r_2
        v_3 += TIME_STEP * turn
        v_4 += TIME_STEP * r_4 * DAMPED_ROLL
        x, y, z, heading = (
            x + TIME_STEP * s_x,
            y + TIME_STEP * s_y,
            z + TIME_STEP * s_z,
            heading + TIME_STEP * v_3,
        )
        away_x, away_y = x - goal_x, y - goal_y
        is_touched = tl.where(away_x * away_x + away_y * away_y < reach * reach, 1, is_touched)
    out = moved + lane * 9
    tl.store(out, x, mask=mask)
    tl.store(out + 1, y, mask=mask)
    tl.store(out + 2, z, mask=mask)
    tl.store(out + 3, heading, mask=mask)
    tl.store(out + 4, s_x, mask=mask)
    tl.store(out + 5, s_y, mask=mask)
    tl.store(out + 6, s_z, mask=mask)
    tl.store(out + 7, v_3, mask=mask)
    tl.store(out + 8, v_4, mask=mask)
    tl.store(touched + lane, is_touched.to(tl.uint8), mask=mask)
