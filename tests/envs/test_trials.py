"""Trials: what their rows hold, what stays within one, and what holds for every native holds for them."""

import pytest
import torch
from contract import assert_equal, random_action
from native_checks import CHECKS, check_one_step_on_cuda

from engram import envs
from engram.envs import Bandit, NativeVectorEnv, RecallFirst, Trials
from engram.envs.ballet import Ballet
from engram.envs.memory_maze.maze import MemoryMaze
from engram.envs.minigrid.memory import MiniGridMemory
from engram.envs.minigrid.red_blue_doors import RedBlueDoors
from engram.envs.popgym.cart_pole import NoisyPositionOnlyCartPole, PositionOnlyCartPole
from engram.envs.popgym.multiarmed_bandit import MultiarmedBandit
from engram.envs.tvt.key_to_door import KeyToDoor
from engram.envs.tvt.visual_match import VisualMatch


def make(inner, trials: int = 3, **options):
    def of(num_envs: int, **where) -> Trials:
        return Trials(inner(num_envs, **options, **where), trials)

    return of


MAKERS = {
    "recall_first": make(RecallFirst, delay=2),
    "bandit": make(Bandit, num_pulls=4),
    "multiarmed_bandit": make(MultiarmedBandit, episode_length=5),
    "noisy_cart_pole": make(NoisyPositionOnlyCartPole, 2),
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", MAKERS)
def test_what_holds_for_every_native(name: str, check) -> None:
    check(MAKERS[name])


@pytest.mark.gpu
@pytest.mark.parametrize("name", MAKERS)
def test_one_step_is_the_same_on_cuda(name: str) -> None:
    check_one_step_on_cuda(MAKERS[name])


def test_rows_by_hand() -> None:
    """An episode of two actions, twice: nothing is zeroed at the end within, and a trial always terminates."""
    env = Trials(RecallFirst(1, delay=1), 2)
    rows = [env.reset(0), *(env.step(torch.tensor([action])) for action in (1, 2, 3, 0, 1, 1))]
    cue = int(rows[0]["obs", "obs"])
    blank = 4
    following = int(rows[5]["obs", "obs"])
    first, later = (1.0 if action == cue else -1.0 for action in (2, 0))
    expected = [  # obs, reward, prev_action, boundary, is_first, is_last, is_terminal
        (cue, 0.0, 0, 0, True, False, False),
        (blank, 0.0, 1, 0, False, False, False),
        (cue, first, 2, 1, False, False, False),
        (blank, 0.0, 3, 0, False, False, False),
        (blank, later, 0, 1, False, True, True),
        (following, 0.0, 0, 0, True, False, False),
        (blank, 0.0, 1, 0, False, False, False),
    ]
    keys = ("reward", "prev_action", "is_first", "is_last", "is_terminal")
    for row, (obs, reward, action, boundary, *flags) in zip(rows, expected, strict=True):
        assert [row[key].item() for key in keys] == [reward, action, *flags]
        assert (row["obs", "obs"].item(), row["obs", "boundary"].item()) == (obs, boundary)


def test_one_episode_is_the_task_itself() -> None:
    """Row by row, but for the flag, and for an end that was a truncation."""
    plain, env = PositionOnlyCartPole(16, 12), Trials(PositionOnlyCartPole(16, 12), 1)
    row, other = plain.reset(4), env.reset(4)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        assert torch.equal(row["obs"], other["obs", "obs"])
        assert torch.equal(row["is_last"], other["obs", "boundary"].bool())
        assert torch.equal(row["is_last"], other["is_terminal"])
        for key in ("reward", "prev_action", "is_first", "is_last"):
            assert torch.equal(row[key], other[key]), key
        action = random_action(plain, generator)
        row, other = plain.step(action), env.step(action)


def test_the_first_episode_of_a_trial_is_that_of_its_number() -> None:
    """Episode 0 of trial n is episode n of the task, whatever the task redraws."""
    others = (MiniGridMemory(5), RedBlueDoors(5), Ballet(5), KeyToDoor(5), VisualMatch(5))
    for inner in (Bandit(5), MultiarmedBandit(5, 3, 4), NoisyPositionOnlyCartPole(5, 20), *others):
        index = torch.arange(5)
        zeros = torch.zeros_like(index)
        own = inner.begin(zeros + 7, index, zeros + 2)
        again = inner.begin_within(zeros + 7, index, zeros + 2, zeros)
        for key, value in own.items():
            assert torch.equal(value, again[key]), key


@pytest.mark.parametrize(
    ("inner", "fixed", "redrawn"),
    [
        (Bandit(8), ["arms"], ["stream"]),
        (MultiarmedBandit(8), ["bandits"], ["stream"]),
        (NoisyPositionOnlyCartPole(8), ["x", "theta"], ["noise_key"]),
        (
            MemoryMaze(8, "tiny", num_layouts=8, camera=False, global_observables=True),
            ["layout", "wall_textures", "target_positions", "target_colors"],
            ["draws", "body"],
        ),
        (RecallFirst(8), ["cue"], []),
        (MiniGridMemory(8, 13, random_length=True), ["layout"], ["position"]),
        (RedBlueDoors(8), ["layout"], ["position", "direction"]),
        (Ballet(8, 4), ["place", "dance", "sprite"], ["target"]),
        (KeyToDoor(8), ["key", "apples"], ["position"]),
        (VisualMatch(8), ["target", "apples"], ["cue"]),
    ],
    ids=lambda one: one.name.rpartition("/")[2] if isinstance(one, NativeVectorEnv) else None,
)
def test_what_stays_within_a_trial(inner: NativeVectorEnv, fixed: list[str], redrawn: list[str]) -> None:
    index = torch.arange(8)
    zeros = torch.zeros_like(index)
    first, second, other = (
        inner.begin_within(zeros, index, zeros + trial, zeros + number)
        for trial, number in ((0, 0), (0, 1), (1, 0))
    )
    for key in fixed:
        assert torch.equal(first[key], second[key]), key
    for key in redrawn:
        assert not torch.equal(first[key], second[key]), key
    assert any(not torch.equal(first[key], other[key]) for key in fixed)


def test_each_episode_reports_its_own_return_and_success_is_their_mean() -> None:
    env = Trials(RecallFirst(64, delay=0, num_symbols=2), 3)
    cue = env.reset(0)["obs", "obs"]
    for right in (True, False, True):
        row = env.step(cue if right else 1 - cue)
    assert row["is_last"].all()
    found = {name: set(values.tolist()) for name, values in env.report().items()}
    success = found.pop("success_rate")
    assert found == {"return_1": {1.0}, "return_2": {-1.0}, "return_3": {1.0}}
    assert len(success) == 1 and success.pop() == pytest.approx(2 / 3)


def test_long_trials_report_their_first_and_last_episode() -> None:
    env = Trials(Bandit(1, num_pulls=1), 40)
    env.reset(0)
    assert list(env.report()) == ["return_1", "return_40"]


def test_what_is_best_and_chance() -> None:
    env = Trials(RecallFirst(1), 4)
    assert (env.best_return, env.chance_return, env.max_episode_steps) == (4.0, -2.0, 36)
    bandit = Trials(Bandit(1, num_pulls=5), 2)
    assert bandit.best_return == pytest.approx(6.659987875) and bandit.chance_return == 5.0


def test_the_picture_is_the_tasks() -> None:
    plain, env = (
        envs.make_env("popgym/battleship_easy", 3),
        envs.make_env("popgym/battleship_easy", 3, trials=2),
    )
    generator = torch.Generator().manual_seed(0)
    plain.reset(2), env.reset(2)
    for _ in range(5):
        action = random_action(plain, generator)
        plain.step(action), env.step(action)
        assert (plain.render(1) == env.render(1)).all()


def test_a_long_evaluation_goes_on_where_a_state_was_taken() -> None:
    env, other = MAKERS["bandit"](4), MAKERS["bandit"](4)
    generator = torch.Generator().manual_seed(2)
    env.reset(0)
    for _ in range(6):  # within the second episode
        env.step(random_action(env, generator))
    assert_equal(other.load_state_dict(env.state_dict()), env.pending_row())
    assert other.state_form()["name"] == "diagnostic/bandit"


def test_only_natives_have_trials() -> None:
    with pytest.raises(ValueError, match=r"trials is an option of native environments, but .+: leave it out"):
        envs.make_env("popgym/repeat_first_easy", 1, backend="package", trials=2)
