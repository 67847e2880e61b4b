"""The progress line: nothing important is cut off, and the time left follows the speed of late."""

import io

import gymnasium
import pytest
from gymnasium import spaces
from rich.console import Console

from engram import envs
from engram.command_line.config import compose_config
from engram.command_line.options import TrainOptions
from engram.common.checked import check_options
from engram.training.headline import headline, space_text
from engram.training.progress import ProgressLine, RecentSpeed, bar_text, clock_time, fit, short_count
from engram.training.session import Session


class Clock:
    """A clock that is set by hand."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


def report(progress, clock, seconds, env_steps, **metrics):
    """Say at a time how far a run is."""
    clock.seconds = seconds
    progress.update({"charts/SPS": 12_345.6, "charts/episodic_return": -0.123, **metrics}, env_steps)


LINES = {
    200: f"12,345,678/100,000,000  {'━' * 4 + '╌' * 26}  eval 0.456 (2.3M steps ago)  1:02:16 left  return -0.123  "
    "12,346 steps/s",
    100: "12,345,678/100,000,000  eval 0.456 (2.3M steps ago)  1:02:16 left  return -0.123  12,346 steps/s",
    80: f"12,345,678/100,000,000  {'━' * 1 + '╌' * 11}  eval 0.456 (2.3M steps ago)  1:02:16 left",
    60: "12,345,678/100,000,000  eval 0.456 (2.3M steps ago)",
}


@pytest.mark.parametrize("width", LINES)
def test_total_and_evaluation_are_always_visible(width):
    clock, out = Clock(), io.StringIO()
    console = Console(file=out, force_terminal=True, width=width)
    progress = ProgressLine(100_000_000, console=console, clock=clock)
    report(progress, clock, 100, 10_000_000, **{"eval/episodic_return": 0.456})
    report(progress, clock, 200, 12_345_678)
    progress.close()
    last = out.getvalue().rpartition("\x1b[2K")[2].split("\n")[0]
    assert last == LINES[width]
    assert len(last) < width


def test_a_plain_line_has_everything(capsys):
    clock = Clock()
    progress = ProgressLine(1_000, clock=clock)
    report(progress, clock, 5, 100, **{"eval/episodic_return": 0.5})
    report(progress, clock, 8, 200)  # too soon for another line
    report(progress, clock, 50, 1_000)
    assert capsys.readouterr().err.splitlines() == [
        "100/1,000  eval 0.5 (now)  0:00:45 left  return -0.123  12,346 steps/s",
        "1,000/1,000  eval 0.5 (900 steps ago)  0:00:00 left  return -0.123  12,346 steps/s",
    ]


def test_nothing_is_printed_unasked(capsys):
    clock = Clock()
    progress = ProgressLine(1_000, enabled=False, clock=clock)
    report(progress, clock, 50, 100, **{"eval/episodic_return": 0.5})
    assert capsys.readouterr().err == ""


def test_the_prefill_says_nothing_about_the_time_left():
    clock = Clock()
    speed = RecentSpeed(prefill=10_000, clock=clock)
    speed.note(0)
    assert speed.seconds_for(40_000) is None
    left = []
    for seconds, env_steps in ((2, 10_000), (52, 11_000), (102, 12_000)):
        clock.seconds = seconds
        speed.note(env_steps)
        left.append(speed.seconds_for(40_000 - env_steps))
    assert left == [None, 29 * 50, 28 * 50]  # 20 steps a second, where all in all it were 117


def test_the_time_left_follows_the_speed_of_late():
    clock = Clock()
    speed = RecentSpeed(prefill=0, clock=clock)
    for seconds in range(101):  # 100 steps a second at first, then 10
        clock.seconds = seconds
        speed.note(100 * seconds)
    assert speed.seconds_for(1_000) == 10
    for seconds in range(1, 101):
        clock.seconds = 100 + seconds
        speed.note(10_000 + 10 * seconds)
    assert speed.seconds_for(1_000) == 100


def test_a_long_run_is_remembered_in_few_marks():
    clock = Clock()
    speed = RecentSpeed(prefill=0, clock=clock)
    for index in range(50_000):
        clock.seconds = index / 10
        speed.note(index * 10)
    assert len(speed._marks) < 1_200
    assert speed.seconds_for(1_000) == pytest.approx(10)


def test_a_continued_run_does_not_count_what_was_before():
    clock = Clock()
    speed = RecentSpeed(prefill=0, clock=clock)
    speed.note(900_000)
    clock.seconds = 10
    speed.note(900_100)
    assert speed.seconds_for(1_000) == 100


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1_000, "1k"), (2_540, "2.5k"), (40_000, "40k"), (1_234_567, "1.2M")],
)
def test_short_counts(count, text):
    assert short_count(count) == text


def test_parts_of_a_line():
    assert fit(["aaaa", "bbbb", "cc"], 8, always=1) == ["aaaa"]
    assert fit(["aaaa", "bbbb", "cc"], 9, always=1) == ["aaaa", "cc"]
    assert fit(["aaaa", "bbbb", "cc"], 3, always=2) == ["aaaa", "bbbb"]
    assert fit(["aaaa", "bbbb", "cc"], None, always=0) == ["aaaa", "bbbb", "cc"]
    assert bar_text(0.25, 8) == "━━╌╌╌╌╌╌"
    assert clock_time(3_725.9) == "1:02:05"


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (spaces.Discrete(4), "Discrete(4)"),
        (spaces.MultiDiscrete([3, 4]), "MultiDiscrete([3, 4])"),
        (spaces.MultiDiscrete([2] * 64), "MultiDiscrete(2 x 64)"),
        (spaces.MultiDiscrete([[3, 4, 2]] * 7), "MultiDiscrete(7, 3)"),
        (spaces.Box(0, 255, (64, 64, 3), "uint8"), "Box(64, 64, 3) uint8"),
        (spaces.Tuple((spaces.Discrete(2), spaces.Discrete(3))), "Tuple(Discrete(2), Discrete(3))"),
        (spaces.Dict(a=spaces.Discrete(2), b=spaces.Text(9)), "Dict(a: Discrete(2), b: Text)"),
    ],
)
def test_spaces_are_written_shortly(space, text):
    assert isinstance(space, gymnasium.Space)
    assert space_text(space) == text


def test_the_first_lines_of_a_run():
    words = "core=gru core.hidden_size=8 env=diagnostic/recall_first num_envs=8 total_env_steps=5_000".split()
    session = Session.build(check_options(compose_config("train", words).values, TrainOptions))
    task, agent, budget = headline(session, "ppo", "gru").splitlines()
    assert task == (
        "diagnostic/recall_first: observations Discrete(5), actions Discrete(4); return: chance -0.5, best 1"
    )
    parameters = sum(parameter.numel() for parameter in session.agent.network.parameters())
    core = sum(parameter.numel() for parameter in session.agent.network.core.parameters())
    assert agent == f"ppo with gru: {parameters:,} parameters, {core:,} in the core; on cpu"
    config = check_options(
        compose_config("train", [*words, "agent.auxiliary.self_prediction.coef=1"]).values, TrainOptions
    )
    taught = Session.build(config)
    more = taught.agent.sizes()["auxiliary_parameters"]
    _, agent, _ = headline(taught, "ppo", "gru").splitlines()
    assert agent.endswith(
        f"{parameters:,} parameters, {core:,} in the core, {more:,} more that only teach; on cpu"
    )
    assert budget == (
        "5,000 steps in 8 environments; a checkpoint every 100,000 steps or 5 minutes, an evaluation of 100 episodes "
        "every 100,000 steps"
    )
    assert envs.RecallFirst(1).chance_return == -0.5
