"""The body's motion in plain torch: what the compiled loops must agree with.

MuJoCo's model of contact, in the five speeds the body has in its own frame: forwards, to the left, up, of the
heading and of the roll. A contact has four rows, one for each force: along its normal, along two tangents, and
about its normal. Its forces minimise a quadratic within the friction cone (`solve`), given those of the other
contacts; contact by contact, a few times over.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from engram.envs.memory_maze.motion import body as made_of
from engram.envs.memory_maze.motion.body import HEADING, RADIUS, SPIN_FRICTION, TIME_STEP
from engram.envs.memory_maze.sizes import CELL_METRES

_TINY = 1e-20


def move_reference(
    body: Tensor, drive: Tensor, steer: Tensor, walls: Tensor, layout: Tensor, target: Tensor, reach: float
) -> tuple[Tensor, Tensor]:
    """Move every body for one step of 0.25 s.

    Args:
        body: float64 [B, 9], see `motion.body`.
        drive: float64 [B] in [-1, 1], how hard forwards.
        steer: float64 [B] in [-1, 1], how hard to the left.
        walls: bool [P, N, N], layouts.
        layout: int64 [B], which of them.
        target: float32 [B, 2] in cells.
        reach: distance in cells of body and target below which they touch.

    Returns:
        The bodies afterwards, and whether they touched the target after any of the substeps, bool [B].
    """
    inverse, damped_inverse = _inverse_masses(body.device)
    force = body.new_zeros(len(body), 3, 4)
    force[:, 0, 0] = made_of.MASS * made_of.GRAVITY
    multiplier = body.new_zeros(2, len(body), 3)
    touched = torch.zeros_like(drive, dtype=torch.bool)
    grid, goal = walls[layout], target.to(torch.float64) * CELL_METRES
    for _ in range(made_of.SUBSTEPS):
        ahead, left = body[:, HEADING].cos(), body[:, HEADING].sin()
        turn = torch.stack([torch.stack([ahead, left], 1), torch.stack([-left, ahead], 1)], 1)
        speed = torch.cat([(turn @ body[:, 4:6, None]).squeeze(2), body[:, 6:]], 1)
        rows, distance = _find_contacts(body, grid, turn)
        rate, force, multiplier = _solve_contacts(
            _free_rate(speed, drive, steer, inverse), speed, rows, distance, force, multiplier, inverse
        )
        rate = rate @ damped_inverse.T
        planar = (turn.transpose(1, 2) @ rate[:, :2, None]).squeeze(2)
        speeds = body[:, 4:] + TIME_STEP * torch.cat([planar, rate[:, 2:]], 1)
        body = torch.cat([body[:, :4] + TIME_STEP * speeds[:, :4], speeds], 1)
        touched = touched | ((body[:, :2] - goal).square().sum(1) < (reach * CELL_METRES) ** 2)
    return body, touched


@functools.cache  # to copy them to a device is to wait for it
def _inverse_masses(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the inverse of the masses [5, 5], and what a step's damping leaves of a rate [5, 5]."""
    masses = _mass_matrix(0.0)
    damped_inverse = torch.linalg.inv(_mass_matrix(TIME_STEP)) @ masses
    return torch.linalg.inv(masses).to(device), damped_inverse.to(device)


def _mass_matrix(damping: float) -> Tensor:
    """Masses and inertias [5, 5], with the joints' damping over `damping` seconds."""
    turn = made_of.TURN_INERTIA + damping * made_of.TURN_DAMPING
    roll = made_of.ROLL_INERTIA + damping * made_of.ROLL_DAMPING
    masses = torch.diag(torch.tensor([made_of.MASS] * 3 + [turn, roll], dtype=torch.float64))
    masses[1, 3] = masses[3, 1] = made_of.MASS_AHEAD
    return masses


def _free_rate(speed: Tensor, drive: Tensor, steer: Tensor, inverse: Tensor) -> Tensor:
    """Accelerations [B, 5] without contacts."""
    forces = torch.stack(
        [
            made_of.MASS_AHEAD * speed[:, 3] ** 2,
            torch.zeros_like(drive),
            torch.full_like(drive, -made_of.MASS * made_of.GRAVITY),
            made_of.TURN_TORQUE * steer - made_of.TURN_DAMPING * speed[:, 3],
            made_of.ROLL_TORQUE * drive - made_of.ROLL_DAMPING * speed[:, 4],
        ],
        dim=1,
    )
    return forces @ inverse.T


def _find_contacts(body: Tensor, grid: Tensor, turn: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows [B, 3, 4, 5] and distances [B, 3] of the floor, the wall in x or a corner, the wall in y.

    A distance of 1 stands for no contact.
    """
    cell = (body[:, :2] / CELL_METRES).floor()
    inside = body[:, :2] - CELL_METRES * cell
    is_far = inside > CELL_METRES / 2
    inside, side = torch.where(is_far, CELL_METRES - inside, inside), torch.where(is_far, 1, -1)
    here = cell.to(torch.int64) + 1
    there, index = here + side, torch.arange(len(body), device=body.device)
    in_x, in_y = grid[index, here[:, 1], there[:, 0]], grid[index, there[:, 1], here[:, 0]]
    at_corner = grid[index, there[:, 1], there[:, 0]] & ~in_x & ~in_y
    length = torch.sqrt(inside.square().sum(1) + _TINY)
    nearest = torch.where(in_x, inside[:, 0], torch.where(at_corner, length, 1.0 + RADIUS))
    distance = torch.stack(
        [body[:, 2], nearest, torch.where(in_y, inside[:, 1], 1.0 + RADIUS)], dim=1
    ) - RADIUS  # fmt: skip
    to_x, to_y = torch.eye(2, dtype=body.dtype, device=body.device)
    normals = (
        -side * torch.where(at_corner[:, None], inside / length[:, None], to_x),
        -side * to_y,
    )
    walls = (_wall_rows((turn @ normal[:, :, None]).squeeze(2)) for normal in normals)
    return torch.stack([_floor_rows(body), *walls], dim=1), distance


def _floor_rows(body: Tensor) -> Tensor:
    """Rows [B, 4, 5] of the floor: up, forwards, to the left, about the vertical."""
    rows = body.new_zeros(4, 5)
    rows[0, 2] = rows[1, 0] = rows[2, 1] = 1.0
    rows[1, 4], rows[3, 3] = -RADIUS, SPIN_FRICTION
    return rows.expand(len(body), 4, 5)


def _wall_rows(normal: Tensor) -> Tensor:
    """Rows [B, 4, 5] of a wall: along its normal [B, 2] in the body's frame, along it, up, about its normal."""
    forward, side = normal.unbind(1)
    zero, one = torch.zeros_like(forward), torch.ones_like(forward)
    rows = (
        (forward, side, zero, zero, zero),
        (-side, forward, zero, -RADIUS * one, zero),
        (zero, zero, one, zero, RADIUS * forward),
        (zero, zero, zero, zero, SPIN_FRICTION * side),
    )
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def _solve_contacts(
    rate: Tensor,
    speed: Tensor,
    rows: Tensor,
    distance: Tensor,
    force: Tensor,
    multiplier: Tensor,
    inverse: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return accelerations [B, 5], forces [B, 3, 4] and multipliers [2, B, 3] of all contacts."""
    active = distance < 0.0
    force = torch.where(active[..., None], force, 0.0)
    pushed = rows @ inverse  # [B, 3, 4, 5], what a force does to the speeds
    weight = (rows * pushed).sum(3) + _TINY
    rate = rate + (pushed * force[..., None]).sum((1, 2))
    impedance = _impedance(distance)
    softness = (1.0 - impedance) / impedance * weight[:, :, 0]
    damping = made_of.CONTACT_DAMPING * (rows @ speed[:, None, :, None]).squeeze(3)
    damping[:, :, 0] += made_of.CONTACT_STIFFNESS * impedance * distance
    at_wall = active[:, 1:].any(1)
    for sweep in range(made_of.SWEEPS + made_of.NOSLIP_SWEEPS):
        stage = 0 if sweep < made_of.SWEEPS else 1
        is_first = sweep in (0, made_of.SWEEPS)
        for k in range(3):
            slack = (rows[:, k] @ rate[:, :, None]).squeeze(2) + damping[:, k] - weight[:, k] * force[:, k]
            solved, found = solve(
                force[:, k, 0], weight[:, k], slack, softness[:, k], multiplier[stage, :, k], stage
            )
            visits = active[:, k] if is_first else active[:, k] & at_wall
            new = torch.where(visits[:, None], solved, force[:, k])
            rate = rate + (pushed[:, k] * (new - force[:, k])[..., None]).sum(1)
            force, multiplier = force.clone(), multiplier.clone()
            force[:, k] = new
            multiplier[stage, :, k] = torch.where(visits, found, multiplier[stage, :, k])
    return rate, force, multiplier


def _impedance(distance: Tensor) -> Tensor:
    """How hard contacts are at these distances, in (0, 1)."""
    depth = (-distance / made_of.IMPEDANCE_DEPTH).clamp(0.0, 1.0)
    rise = torch.where(depth <= 0.5, 2.0 * depth**2, 1.0 - 2.0 * (1.0 - depth) ** 2)
    return made_of.MIN_IMPEDANCE + (made_of.MAX_IMPEDANCE - made_of.MIN_IMPEDANCE) * rise


def solve(
    normal: Tensor, weight: Tensor, slack: Tensor, softness: Tensor, multiplier: Tensor, stage: int
) -> tuple[Tensor, Tensor]:
    """Solve one contact: `w f + g` is what its rows accelerate by if it alone pushes with f.

    In stage 0 the four forces minimise `Σ (w + softness) f² / 2 + g f` within the cone |friction| <= normal.
    In stage 1 the normal force stays as it is and the three of friction are found without softness. On the
    cone's surface friction is `-g / (w + multiplier)`; the multiplier is found by Newton steps.

    Args:
        normal: [B], the normal force so far.
        weight: [B, 4], w.
        slack: [B, 4], g.
        softness: [B].
        multiplier: [B], of the last time.
        stage: 0 or 1.

    Returns:
        The forces [B, 4] and the multiplier [B].
    """
    if stage == 0:
        weight = weight + softness[:, None]
        normal = -slack[:, 0] / weight[:, 0]
    w, g = weight[:, 1:], slack[:, 1:]
    inner = -g / w
    is_inside = (normal >= 0.0) & (inner.square().sum(1) <= normal.square())
    is_apart = (slack[:, 0] >= 0.0) & (g.square().sum(1) <= slack[:, 0].square()) & (stage == 0)
    found = multiplier
    for _ in range(made_of.NEWTON_STEPS):
        share = 1.0 / (w + found[:, None])
        square = (g * share).square()
        total = square.sum(1) + _TINY
        size, bend = total.sqrt(), (square * share).sum(1) / total + _TINY
        if stage == 0:
            slope = (1.0 - slack[:, 0] * bend / size).clamp(min=0.1)
            found = found - (found - weight[:, 0] - slack[:, 0] / size) / slope
        else:
            found = found + (size / normal.clamp(min=_TINY) - 1.0) / bend
        found = found.clamp(0.0, 1e9)
    friction = -g / (w + found[:, None])
    size = friction.square().sum(1).sqrt()
    if stage == 0:
        normal_on = size
    else:
        normal_on, friction = normal, friction * (normal / (size + _TINY))[:, None]
    forces = torch.cat([normal_on[:, None], friction], dim=1)
    forces = torch.where(is_inside[:, None], torch.cat([normal[:, None], inner], dim=1), forces)
    is_easy = is_inside | is_apart
    forces = torch.where((is_apart & ~is_inside)[:, None], 0.0, forces)
    return forces, torch.where(is_easy, 0.0, found)
