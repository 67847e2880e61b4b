"""The body moves as MuJoCo's: recorded sequences are replayed, and the compiled loop is the reference."""

import json
import math
from pathlib import Path

import pytest
import torch

from engram.envs.memory_maze.motion import BODY_SIZE, TOUCH_DISTANCE, bodies_at, move, move_reference
from engram.envs.memory_maze.motion.body import DRIVE, HEADING, ROLL_SPEED, STEER, X_SPEED
from engram.envs.memory_maze.motion.reference import solve

RECORDED = json.loads((Path(__file__).parent / "recordings" / "motion.json").read_text())
NOWHERE = torch.full((1, 2), -9.0)


def box(inner: int) -> torch.Tensor:
    walls = torch.ones(1, inner + 2, inner + 2, dtype=torch.bool)
    walls[:, 1:-1, 1:-1] = False
    return walls


def press(action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(DRIVE, dtype=torch.float64)[action], torch.tensor(STEER, dtype=torch.float64)[action]


def replay(recorded: dict, inner: int, nudges: torch.Tensor | None = None) -> torch.Tensor:
    """Bodies [T + 1, B, 9] with the recording's origin in the middle of an empty box; nudges [B, 2]."""
    nudges = torch.zeros(1, 2, dtype=torch.float64) if nudges is None else nudges
    start = torch.tensor([recorded["x"][0], recorded["y"][0]], dtype=torch.float64) / 2 + inner / 2
    heading = torch.full((len(nudges),), math.radians(recorded["heading"][0]), dtype=torch.float64)
    body = bodies_at(start.expand(len(nudges), 2), heading + nudges[:, 1])
    body[:, 0] += nudges[:, 0]
    bodies = [body]
    layout, target = torch.zeros(len(nudges), dtype=torch.int64), NOWHERE.expand(len(nudges), 2)
    for action in recorded["actions"]:
        drive, steer = press(torch.full((len(nudges),), action))
        bodies.append(move(bodies[-1], drive, steer, box(inner), layout, target, 0.1)[0])
    return torch.stack(bodies)


@pytest.mark.parametrize("name", RECORDED["open_space"])
def test_open_space_is_replayed(name: str) -> None:
    recorded = RECORDED["open_space"][name]
    bodies = replay(recorded, 40)[:, 0]
    place = torch.tensor([recorded["x"], recorded["y"]], dtype=torch.float64).T
    assert ((bodies[:, :2] - 40.0 - place).norm(dim=1) / 2).max() < 0.05
    assert (bodies[:, HEADING].rad2deg() - torch.tensor(recorded["heading"])).abs().max() < 0.5


WALLS = {**RECORDED["wall"], **RECORDED["wall_push"]}
STRAIGHT = [name for name, recorded in WALLS.items() if set(recorded["actions"]) == {1}]


@pytest.mark.parametrize("name", [name for name in STRAIGHT if name != "into_corner_45"])
def test_a_wall_holds_and_turns_what_drives_into_it(name: str) -> None:
    recorded, bodies = WALLS[name], replay(WALLS[name], 9)[:, 0]
    travel, turn = (bodies[-1, 1] - bodies[0, 1]) / 2, (bodies[-1, HEADING] - bodies[0, HEADING]).rad2deg()
    # The recorded travel is rounded to 0.0001 m, the turn at the steepest angles is a fraction of a degree.
    assert travel.item() == pytest.approx((recorded["y"][-1] - recorded["y"][0]) / 2, rel=0.15, abs=0.007)
    assert turn.item() == pytest.approx(recorded["heading"][-1] - recorded["heading"][0], rel=0.15, abs=3.0)


# MuJoCo's ball bounces a little higher off a wall it has driven into, and so comes free less or more often here.
OTHERWISE = ("push6_left5_fwd6", "push_forward_turn_away_inc65")


@pytest.mark.parametrize("name", [name for name in WALLS if name not in OTHERWISE])
def test_turning_at_a_wall_goes_as_far_as_measured(name: str) -> None:
    """Contacts while turning are chaotic: what is compared is the mean over starts that differ by little."""
    nudges = (torch.rand(48, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1) * (
        torch.tensor([0.002, math.radians(0.2)])
    )
    bodies = replay(WALLS[name], 9, nudges)
    travel, turn = (bodies[-1] - bodies[0])[:, 1] / 2, (bodies[-1] - bodies[0])[:, HEADING].rad2deg()
    expected = WALLS[name]["spread"]
    for value, (mean, deviation), least in (
        (travel, expected["travel"], 0.02),
        (turn, expected["turn"], 3.0),
    ):
        assert abs(value.mean().item() - mean) <= 0.3 * abs(mean) + deviation + least


def test_the_compiled_loop_is_the_reference() -> None:
    generator = torch.Generator().manual_seed(0)
    walls = box(9).repeat(2, 1, 1)
    walls[1, 2:10:2, 2:10:2] = True
    cell = torch.randint(0, 5, (64, 2), generator=generator) * 2 + 0.5
    body = bodies_at(cell, torch.rand(64, generator=generator) * math.tau)
    layout, target = torch.randint(0, 2, (64,), generator=generator), cell + 0.45
    for _ in range(6):
        drive, steer = press(torch.randint(1, 6, (64,), generator=generator))
        before = body.clone()
        body, touched = move(before, drive, steer, walls, layout, target, TOUCH_DISTANCE)
        expected, expected_touched = move_reference(
            before, drive, steer, walls, layout, target, TOUCH_DISTANCE
        )
        torch.testing.assert_close(body, expected, rtol=0, atol=1e-7)
        assert torch.equal(touched, expected_touched)


def test_a_body_at_rest_stays() -> None:
    body = bodies_at(torch.tensor([[4.5, 4.5]]), torch.tensor([1.0]))
    still = torch.zeros(1, dtype=torch.float64)
    moved, _ = move(body, still, still, box(9), torch.zeros(1, dtype=torch.int64), NOWHERE, 0.1)
    assert moved.shape == (1, BODY_SIZE)
    torch.testing.assert_close(moved[:, [0, 1, HEADING]], body[:, [0, 1, HEADING]], rtol=0, atol=1e-12)


def test_top_speed_is_a_quarter_cell_an_action() -> None:
    body = replay({"x": [-30.0], "y": [0.0], "heading": [0.0], "actions": [1] * 12}, 40)[-1]
    assert body[0, X_SPEED].item() == pytest.approx(2.0, abs=0.003)
    assert body[0, ROLL_SPEED].item() == pytest.approx(10.0, abs=0.02)


@pytest.mark.parametrize("aside, expected", [(0.76, True), (0.79, False)])
def test_touch_while_passing(aside: float, expected: bool) -> None:
    """At full speed an action moves 0.5 m: the nearest moment is within an action."""
    body = replay({"x": [-30.0], "y": [0.0], "heading": [0.0], "actions": [1] * 8}, 40)[-1]
    target = torch.tensor([[body[0, 0].item() + 0.26, 40.0 + aside]]) / 2
    one, none = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    _, touched = move(body, one, none, box(40), torch.zeros(1, dtype=torch.int64), target, TOUCH_DISTANCE)
    assert touched.item() is expected


def one(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


def test_solving_a_contact_by_hand() -> None:
    zero = torch.zeros(1, dtype=torch.float64)
    # Sticking: every row is brought to rest, f = -g / w.
    forces, multiplier = solve(zero, one(1, 2, 4, 5), one(-10, 4, -8, 5), zero, zero, 0)
    assert forces.tolist() == [[10.0, -2.0, 2.0, -1.0]] and multiplier.item() == 0.0
    # Parting: no force.
    assert solve(zero, one(1, 1, 1, 1), one(5, 3, 0, 0), zero, zero, 0)[0].abs().max() == 0.0
    # Sliding with the normal force given: friction is as large as the cone allows, against the slip.
    forces, _ = solve(one(2)[0], one(1, 1, 1, 1), one(0, 3, -4, 0), zero, zero, 1)
    torch.testing.assert_close(forces, one(2, -1.2, 1.6, 0))
    # Sliding with the normal force free, all w = 1: the nearest point of the cone to -g, here (2, -1).
    forces, _ = solve(zero, one(1, 1, 1, 1), one(-2, 1 + 2, 0, 0), zero, zero, 0)
    torch.testing.assert_close(forces, one(2.5, -2.5, 0, 0))
