"""The agent's body: what it is made of, and the nine numbers of its state.

The body of Memory Maze is a ball of 0.2 m that rolls about a horizontal axle and turns with it about the
vertical; it cannot tip over. Masses, torques and damping are those of the walker of dm_control that the
package uses, with the package's damping, and the rest is MuJoCo's default, read from the compiled model
(memory-maze 1.0.3, dm_control 1.0.28, mujoco 3.3.0).

A state is `[x, y, z, heading, x', y', z', heading', roll']`, float64: the ball's centre in metres from the
bottom-left inner corner, the heading in radians counter-clockwise from the x axis, their derivatives, and
the ball's rolling in rad/s, forwards positive.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engram.envs.memory_maze.sizes import CELL_METRES

BODY_SIZE = 9
X, Y, Z, HEADING, X_SPEED, Y_SPEED, Z_SPEED, TURN_SPEED, ROLL_SPEED = range(BODY_SIZE)

SUBSTEPS = 50
TIME_STEP = 0.005

RADIUS = 0.2
MASS = 22.0
GRAVITY = 9.81
# The camera's mass of 1 kg is 0.15 m ahead of the axis; the inertias are about the axis.
MASS_AHEAD = 1.0 * 0.15
TURN_INERTIA = 0.14683229 + 1.0 + 1.0 * 0.15**2 + 0.016
ROLL_INERTIA = 0.016
TURN_TORQUE, TURN_DAMPING = 30.0, 20.0
ROLL_TORQUE, ROLL_DAMPING = 50.0, 5.0

# Friction coefficients: 1 along a surface, 0.02 m about its normal.
SPIN_FRICTION = 0.02
# A contact is a spring and a damper (solref 0.02 s, critically damped) whose softness falls with depth.
MAX_IMPEDANCE, MIN_IMPEDANCE, IMPEDANCE_DEPTH = 0.95, 0.9, 0.001
CONTACT_DAMPING = 2.0 / (MAX_IMPEDANCE * 0.02)
CONTACT_STIFFNESS = 1.0 / (MAX_IMPEDANCE * 0.02) ** 2

# How often the contacts are solved in a substep: with friction as soft as MuJoCo's, then as its "noslip" stage
# has it; on an open floor there is one contact and once is enough. Newton steps find a contact's multiplier.
# (numba notices no change here: save `cpu_kernels.py` again after one.)
SWEEPS, NOSLIP_SWEEPS, NEWTON_STEPS = 8, 3, 3

TOUCH_DISTANCE = 0.775 / CELL_METRES
"""Cells between the centres of the body and of a target below which they touch: ((0.6 + 0.2)² - 0.2²)^½ m."""
LOW_WALLS_TOUCH_DISTANCE = 0.416 / CELL_METRES
"""The same where targets hang above low walls: only the head reaches them."""

# What the actions press: noop, forward, left, right, forward and left, forward and right.
DRIVE = (0.0, 1.0, 0.0, 0.0, 1.0, 1.0)
STEER = (0.0, 0.0, 1.0, -1.0, 1.0, -1.0)


def bodies_at(position: Tensor, heading: Tensor) -> Tensor:
    """Return bodies at rest on the floor.

    Args:
        position: [B, 2] in cells.
        heading: [B] in radians.

    Returns:
        float64 [B, 9].
    """
    body = torch.zeros(len(position), BODY_SIZE, dtype=torch.float64, device=position.device)
    body[:, :Z] = position * CELL_METRES
    body[:, Z] = RADIUS
    body[:, HEADING] = heading
    return body
