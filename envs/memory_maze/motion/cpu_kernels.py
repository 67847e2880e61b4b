"""The loop of the body's motion in host memory, compiled by numba when it is first called.

It is `motion.reference` with the zeros left out: a contact's rows are written as sums, and a body that touches
nothing but the floor is not asked about walls. Lengths are in metres, forces in newtons.
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engram.common.compiled_loops import compiled, inlined
from engram.envs.memory_maze.motion.body import (
    CONTACT_DAMPING,
    CONTACT_STIFFNESS,
    GRAVITY,
    IMPEDANCE_DEPTH,
    MASS,
    MASS_AHEAD,
    MAX_IMPEDANCE,
    MIN_IMPEDANCE,
    NEWTON_STEPS,
    NOSLIP_SWEEPS,
    RADIUS,
    ROLL_DAMPING,
    ROLL_INERTIA,
    ROLL_TORQUE,
    SPIN_FRICTION,
    SUBSTEPS,
    SWEEPS,
    TIME_STEP,
    TURN_DAMPING,
    TURN_INERTIA,
    TURN_TORQUE,
)

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Integers: TypeAlias = NDArray[np.int64]

_DETERMINANT = MASS * TURN_INERTIA - MASS_AHEAD**2
_SIDE, _TURN, _CROSS = TURN_INERTIA / _DETERMINANT, MASS / _DETERMINANT, -MASS_AHEAD / _DETERMINANT
_DAMPED_DETERMINANT = MASS * (TURN_INERTIA + TIME_STEP * TURN_DAMPING) - MASS_AHEAD**2
_DAMPED_ROLL = ROLL_INERTIA / (ROLL_INERTIA + TIME_STEP * ROLL_DAMPING)
_FORWARD_ON_FLOOR = 1.0 / MASS + RADIUS**2 / ROLL_INERTIA
_SPIN_ON_FLOOR = SPIN_FRICTION**2 * _TURN
_TINY = 1e-20


@compiled
def move_bodies(
    body: Floats,
    drive: Floats,
    steer: Floats,
    walls: Flags,
    layout: Integers,
    target: Floats,
    reach: float,
    moved: Floats,
    touched: Flags,
    begin: int,
    end: int,
) -> None:
    """Move the bodies from `begin` to `end` for one step; arguments as in `motion.reference`, lengths in metres.

    Args:
        body: [B, 9].
        drive: [B].
        steer: [B].
        walls: [P, N, N].
        layout: [B].
        target: [B, 2].
        reach: distance of the centres below which body and target touch.
        moved: [B, 9], overwritten.
        touched: [B], overwritten with whether they touched after any substep.
        begin: the first that is moved.
        end: the one after the last.
    """
    # For the floor and at most two walls: normal and distance; forces along the normal, both tangents and
    # about the normal; multipliers of both stages. Accelerations and speeds are forwards, to the left, up,
    # of the heading and of the roll.
    contact, force, multiplier = np.zeros((3, 3)), np.empty((3, 4)), np.empty((3, 2))
    rate, speed = np.empty(5), np.empty(5)
    for i in range(begin, end):
        state, grid = moved[i], walls[layout[i]]
        state[:] = body[i]
        force[:], multiplier[:] = 0.0, 0.0
        force[0, 0] = MASS * GRAVITY
        is_touched = False
        for _ in range(SUBSTEPS):
            _advance(state, drive[i], steer[i], grid, contact, force, multiplier, rate, speed)
            x, y = state[0] - target[i, 0], state[1] - target[i, 1]
            is_touched |= x * x + y * y < reach * reach
        touched[i] = is_touched


@inlined
def _advance(
    state: Floats,
    drive: float,
    steer: float,
    grid: Flags,
    contact: Floats,
    force: Floats,
    multiplier: Floats,
    rate: Floats,
    speed: Floats,
) -> None:
    """One substep, in place."""
    ahead, left = math.cos(state[3]), math.sin(state[3])
    _find_contacts(state, grid, ahead, left, contact)
    speed[0] = state[4] * ahead + state[5] * left
    speed[1] = state[5] * ahead - state[4] * left
    speed[2], speed[3], speed[4] = state[6], state[7], state[8]
    torque = TURN_TORQUE * steer - TURN_DAMPING * speed[3]
    rate[0], rate[1], rate[2] = MASS_AHEAD / MASS * speed[3] ** 2, _CROSS * torque, -GRAVITY
    rate[3], rate[4] = _TURN * torque, (ROLL_TORQUE * drive - ROLL_DAMPING * speed[4]) / ROLL_INERTIA
    for k in range(3):
        if contact[k, 2] >= 0.0:
            force[k] = 0.0
        elif k == 0:
            _push_floor(rate, force[0, 0], force[0, 1], force[0, 2], force[0, 3])
        else:
            _push_wall(rate, contact[k], force[k, 0], force[k, 1], force[k, 2], force[k, 3])
    at_wall = contact[1, 2] < 0.0 or contact[2, 2] < 0.0
    sweeps = SWEEPS if at_wall else 1
    for sweep in range(sweeps + (NOSLIP_SWEEPS if at_wall else 1)):
        stage = 0 if sweep < sweeps else 1
        if contact[0, 2] < 0.0:
            _visit_floor(rate, speed, contact[0, 2], force[0], multiplier[0], stage)
        if contact[1, 2] < 0.0:
            _visit_wall(rate, speed, contact[1], force[1], multiplier[1], stage)
        if contact[2, 2] < 0.0:
            _visit_wall(rate, speed, contact[2], force[2], multiplier[2], stage)
    # Joints are damped implicitly, as MuJoCo's Euler integrator does.
    resisted = TIME_STEP * TURN_DAMPING * rate[3] / _DAMPED_DETERMINANT
    side, turn = rate[1] + MASS_AHEAD * resisted, rate[3] - MASS * resisted
    state[4] += TIME_STEP * (rate[0] * ahead - side * left)
    state[5] += TIME_STEP * (rate[0] * left + side * ahead)
    state[6] += TIME_STEP * rate[2]
    state[7] += TIME_STEP * turn
    state[8] += TIME_STEP * rate[4] * _DAMPED_ROLL
    for k in range(4):
        state[k] += TIME_STEP * state[4 + k]


@inlined
def _find_contacts(state: Floats, grid: Flags, ahead: float, left: float, contact: Floats) -> None:
    """Write the distance of the floor, and those of a corner or the wall in x and of the wall in y, if near.

    A distance of 1 stands for none. Normals point to the body, forwards and to the left.
    """
    column, row = int(state[0] // 2.0), int(state[1] // 2.0)
    x, y = state[0] - 2.0 * column, state[1] - 2.0 * row
    right, up = x > 1.0, y > 1.0
    x, y = (2.0 - x if right else x), (2.0 - y if up else y)
    contact[0, 2], contact[1, 2], contact[2, 2] = state[2] - RADIUS, 1.0, 1.0
    if x >= RADIUS and y >= RADIUS:
        return
    to_x, to_y = (1 if right else -1), (1 if up else -1)
    wall_x, wall_y = grid[row + 1, column + 1 + to_x], grid[row + 1 + to_y, column + 1]
    corner = grid[row + 1 + to_y, column + 1 + to_x] and not wall_y
    normal_x, normal_y = 1.0, 0.0
    if wall_x:
        contact[1, 2] = x - RADIUS
    elif corner:
        distance = math.sqrt(x * x + y * y + _TINY)
        contact[1, 2] = distance - RADIUS
        normal_x, normal_y = x / distance, y / distance
    contact[1, 0] = -to_x * normal_x * ahead - to_y * normal_y * left
    contact[1, 1] = to_x * normal_x * left - to_y * normal_y * ahead
    if wall_y:
        contact[2, 2] = y - RADIUS
    contact[2, 0], contact[2, 1] = -to_y * left, -to_y * ahead


@inlined
def _visit_floor(
    rate: Floats, speed: Floats, distance: float, force: Floats, multiplier: Floats, stage: int
) -> None:
    """Solve the floor's contact given the forces of the others."""
    softness, pull = _spring(distance)
    softness /= MASS
    up = rate[2] + CONTACT_DAMPING * speed[2] + pull - force[0] / MASS
    forward = rate[0] - RADIUS * rate[4] + CONTACT_DAMPING * (speed[0] - RADIUS * speed[4])
    forward -= _FORWARD_ON_FLOOR * force[1]
    side = rate[1] + CONTACT_DAMPING * speed[1] - _SIDE * force[2]
    spin = SPIN_FRICTION * (rate[3] + CONTACT_DAMPING * speed[3]) - _SPIN_ON_FLOOR * force[3]
    normal, first, second, third, multiplier[stage] = _solve(
        force[0], 1.0 / MASS, up, _FORWARD_ON_FLOOR, forward, _SIDE, side, _SPIN_ON_FLOOR, spin,
        softness, multiplier[stage], stage,
    )  # fmt: skip
    _push_floor(rate, normal - force[0], first - force[1], second - force[2], third - force[3])
    force[0], force[1], force[2], force[3] = normal, first, second, third


@inlined
def _push_floor(rate: Floats, normal: float, forward: float, side: float, spin: float) -> None:
    """Add what the floor's forces do to the accelerations."""
    torque = SPIN_FRICTION * spin
    rate[0] += forward / MASS
    rate[1] += _SIDE * side + _CROSS * torque
    rate[2] += normal / MASS
    rate[3] += _CROSS * side + _TURN * torque
    rate[4] -= RADIUS * forward / ROLL_INERTIA


@inlined
def _visit_wall(
    rate: Floats, speed: Floats, contact: Floats, force: Floats, multiplier: Floats, stage: int
) -> None:
    """Solve a wall's contact given the forces of the others; its tangents are horizontal and vertical."""
    n_f, n_l = contact[0], contact[1]
    inverse_normal = n_f * n_f / MASS + n_l * n_l * _SIDE
    inverse_along = n_l * n_l / MASS + n_f * n_f * _SIDE - 2.0 * RADIUS * n_f * _CROSS + RADIUS**2 * _TURN
    inverse_up = 1.0 / MASS + (RADIUS * n_f) ** 2 / ROLL_INERTIA
    inverse_spin = (SPIN_FRICTION * n_l) ** 2 / ROLL_INERTIA + _TINY
    softness, pull = _spring(contact[2])
    softness *= inverse_normal
    away = n_f * rate[0] + n_l * rate[1] + CONTACT_DAMPING * (n_f * speed[0] + n_l * speed[1]) + pull
    along = n_f * rate[1] - n_l * rate[0] - RADIUS * rate[3]
    along += CONTACT_DAMPING * (n_f * speed[1] - n_l * speed[0] - RADIUS * speed[3])
    up = rate[2] + RADIUS * n_f * rate[4] + CONTACT_DAMPING * (speed[2] + RADIUS * n_f * speed[4])
    spin = SPIN_FRICTION * n_l * (rate[4] + CONTACT_DAMPING * speed[4])
    away -= inverse_normal * force[0]
    along -= inverse_along * force[1]
    up -= inverse_up * force[2]
    spin -= inverse_spin * force[3]
    normal, first, second, third, multiplier[stage] = _solve(
        force[0], inverse_normal, away, inverse_along, along, inverse_up, up, inverse_spin, spin,
        softness, multiplier[stage], stage,
    )  # fmt: skip
    _push_wall(rate, contact, normal - force[0], first - force[1], second - force[2], third - force[3])
    force[0], force[1], force[2], force[3] = normal, first, second, third


@inlined
def _push_wall(rate: Floats, contact: Floats, normal: float, along: float, up: float, spin: float) -> None:
    """Add what a wall's forces do to the accelerations."""
    n_f, n_l = contact[0], contact[1]
    side, torque = n_l * normal + n_f * along, -RADIUS * along
    rate[0] += (n_f * normal - n_l * along) / MASS
    rate[1] += _SIDE * side + _CROSS * torque
    rate[2] += up / MASS
    rate[3] += _CROSS * side + _TURN * torque
    rate[4] += (RADIUS * n_f * up + SPIN_FRICTION * n_l * spin) / ROLL_INERTIA


@inlined
def _spring(distance: float) -> tuple[float, float]:
    """Return a contact's softness, as a share of its inverse mass, and the acceleration its spring resists."""
    depth = min(-distance / IMPEDANCE_DEPTH, 1.0)
    rise = 2.0 * depth * depth if depth <= 0.5 else 1.0 - 2.0 * (1.0 - depth) ** 2
    impedance = MIN_IMPEDANCE + (MAX_IMPEDANCE - MIN_IMPEDANCE) * rise
    return (1.0 - impedance) / impedance, CONTACT_STIFFNESS * impedance * distance


@inlined
def _solve(
    normal: float, a_n: float, g_n: float, a_0: float, g_0: float, a_1: float, g_1: float, a_2: float, g_2: float,
    softness: float, multiplier: float, stage: int,
) -> tuple[float, float, float, float, float]:  # fmt: skip
    """Return a contact's normal force, its three friction forces and the multiplier of the friction cone.

    In stage 0 all four minimise `Σ (a + softness) f² / 2 + g f` within the cone |friction| <= normal; in
    stage 1 the normal force stays and only the friction is found, without softness. On the cone's surface
    friction is `-g / (a + multiplier)`, and the multiplier is found by Newton steps from the last one.
    """
    if stage == 0:
        a_n, a_0, a_1, a_2 = a_n + softness, a_0 + softness, a_1 + softness, a_2 + softness
        normal = -g_n / a_n
    first, second, third = -g_0 / a_0, -g_1 / a_1, -g_2 / a_2
    if normal >= 0.0 and first * first + second * second + third * third <= normal * normal:
        return normal, first, second, third, 0.0
    if stage == 0 and g_n >= 0.0 and g_0 * g_0 + g_1 * g_1 + g_2 * g_2 <= g_n * g_n:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    for _ in range(NEWTON_STEPS):
        i_0, i_1, i_2 = 1.0 / (a_0 + multiplier), 1.0 / (a_1 + multiplier), 1.0 / (a_2 + multiplier)
        first, second, third = g_0 * i_0, g_1 * i_1, g_2 * i_2
        square = first * first + second * second + third * third + _TINY
        size = math.sqrt(square)
        bend = (first * first * i_0 + second * second * i_1 + third * third * i_2) / square + _TINY
        if stage == 0:
            slope = max(1.0 - g_n * bend / size, 0.1)
            multiplier -= (multiplier - a_n - g_n / size) / slope
        else:
            multiplier += (size / max(normal, _TINY) - 1.0) / bend
        multiplier = min(max(multiplier, 0.0), 1e9)
    first, second, third = -g_0 / (a_0 + multiplier), -g_1 / (a_1 + multiplier), -g_2 / (a_2 + multiplier)
    size = math.sqrt(first * first + second * second + third * third)
    if stage == 0:
        return size, first, second, third, multiplier
    scale = normal / (size + _TINY)
    return normal, first * scale, second * scale, third * scale, multiplier
