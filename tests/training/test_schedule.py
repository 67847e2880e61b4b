"""When a run saves, stops and goes on: checkpoints at any moment change nothing else."""

import json
import math

import pytest
import torch
from tensordict import TensorDict

from engram.agents.trainable import Trainable, Updates
from engram.common.state_form import check_like
from engram.envs import Rollout
from engram.run_files.progress import Progress
from engram.training.loop import train
from engram.training.record import Record
from engram.training.schedule import Hooks, Schedule
from engram.training.stop_request import SaveTimer


def _episodes(returns, lengths):
    return {"episodic_return": returns, "episodic_length": lengths}


class Counter(Trainable):
    """Stands for an agent and its driver: 10 steps an iteration, learning adds the steps it is told."""

    rollout_length = 5
    carry_every = 5

    def __init__(self):
        self.env_steps, self.total, self.rates = 0, 0, []

    def policy(self, env_steps):
        return None

    def collect(self, act, rollout_length):
        self.env_steps += 2 * rollout_length
        none = TensorDict({}, [])
        return Rollout(none, none, none, none, _episodes([self.env_steps], [self.env_steps]))

    def updates(self, rollout, env_steps):
        return Updates(0 if rollout is None else 1, lambda: self._update(env_steps))

    def _update(self, env_steps):
        self.total += env_steps
        return {"total": float(self.total)}


class Run:
    """A run of a counter with all that it writes; `state` is its last checkpoint, as JSON holds it."""

    def __init__(self):
        self.counter, self.progress, self.record = Counter(), Progress(), Record()
        self.lines, self.saves, self.state = [], [], None

    def save(self, name):
        self.saves.append((name, self.counter.env_steps))
        if name == "latest":
            counter = (self.counter.env_steps, self.counter.total)
            self.state = json.loads(json.dumps([counter, vars(self.progress), self.record.state_dict()]))

    def continued(self):
        """Another process' run, from the checkpoint; what was logged after it is cut."""
        run = Run()
        (run.counter.env_steps, run.counter.total), progress, record = self.state
        run.progress = Progress(**progress)
        logged = run.progress.logged_until(run.counter.env_steps)
        run.lines = [(steps, metrics) for steps, metrics in self.lines if steps <= logged]
        run.record.load_state_dict(record)
        return run

    def train(self, should_stop=lambda: False, is_due=lambda: False, evaluate=None):
        hooks = Hooks(
            log=lambda metrics: self.lines.append((self.counter.env_steps, without_speed(metrics))),
            evaluate=evaluate or (lambda steps: {"eval/episodic_return": float(steps % 37)}),
            save=self.save,
            log_media=lambda media: None,
            should_stop=should_stop,
            is_checkpoint_due=is_due,
        )
        schedule = Schedule(total_env_steps=95, evaluation_interval=40, checkpoint_interval=50)
        return train(self.counter, self.counter, hooks, self.progress, schedule, self.record)


def without_speed(metrics):
    return {
        key: value for key, value in metrics.items() if key.split("/")[0] in ("losses", "charts", "eval")
    } | {"charts/SPS": None}


@pytest.fixture
def whole():
    run = Run()
    assert run.train()
    return run


def test_an_undisturbed_run(whole):
    assert [steps for steps, _ in whole.lines] == list(range(10, 101, 10))
    assert [steps for steps, metrics in whole.lines if "eval/episodic_return" in metrics] == [40, 80, 100]
    assert whole.saves == [("best", 40), ("latest", 50), ("best", 80), ("best", 100), ("latest", 100)]


def test_updates_are_told_the_steps_before_their_iteration(whole):
    """So a schedule begins with its first value, and its last update comes before its end."""
    assert [metrics["losses/total"] for _, metrics in whole.lines[:4]] == [0, 10, 30, 60]


@pytest.mark.parametrize("stop_at", range(1, 10))
def test_a_stopped_run_saves_and_continues_exactly(whole, stop_at):
    run = Run()
    asked = iter([*[False] * (stop_at - 1), True])
    assert run.train(should_stop=lambda: next(asked)) is False
    assert run.saves[-1] == ("latest", 10 * stop_at)
    run = run.continued()
    assert run.train() and run.lines == whole.lines
    assert (run.counter.total, run.progress) == (whole.counter.total, whole.progress)


def test_a_request_at_the_end_lets_the_run_end():
    run = Run()
    assert run.train(should_stop=lambda: run.counter.env_steps >= 100)
    assert run.saves.count(("latest", 100)) == 1


@pytest.mark.parametrize("cut_at", [40, 80, 100])
def test_an_evaluation_that_was_cut_short_is_played_again(whole, cut_at):
    run = Run()
    played = []

    def evaluate(steps):
        played.append(steps)
        return None if steps == cut_at else {"eval/episodic_return": float(steps % 37)}

    assert run.train(evaluate=evaluate) is False
    assert run.state[1]["unfinished_from"] == cut_at - 10 and run.lines[-1][0] == cut_at - 10
    again = run.continued()
    assert again.train(evaluate=evaluate) is False and again.lines == run.lines  # once more
    run = again.continued()
    run.save = lambda name: None  # as if it were killed before its next checkpoint
    assert run.train() and run.lines == whole.lines
    run.state = again.state
    run = run.continued()
    assert run.train() and run.lines == whole.lines and run.progress == whole.progress


def test_saves_by_the_clock_change_nothing(whole):
    """A clock that goes a minute with every look at it: a checkpoint at every third iteration."""
    run, now = Run(), [0.0]

    def clock():
        now[0] += 60
        return now[0]

    timer = SaveTimer(2.5, clock)
    save = run.save

    def save_and_restart(name):
        save(name)
        if name == "latest":
            timer.restart()

    run.save = save_and_restart
    assert run.train(is_due=timer.is_due) and run.lines == whole.lines and run.progress == whole.progress
    assert [steps for name, steps in run.saves if name == "latest"] == [30, 50, 80, 100]


@pytest.mark.parametrize(
    ("minutes", "seconds", "due"), [(5, 299.9, False), (5, 300, True), (0.1, 6, True), (None, 1e9, False)]
)
def test_the_timer(minutes, seconds, due):
    now = [100.0]
    timer = SaveTimer(minutes, lambda: now[0])
    now[0] += seconds
    assert timer.is_due() is due
    timer.restart()
    assert not timer.is_due()


def test_what_waits_for_a_line_is_part_of_a_checkpoint():
    """Half of the metrics before it, half after it: the means of all of them."""
    one, other = Record(10), Record()
    none = TensorDict({}, [])
    one.add_rollout(Rollout(none, none, none, none, _episodes([1.0, 2.0], [3, 4])), 0.5)
    one.add_update({"loss": torch.tensor(0.1).item(), "nan": float("nan")}, 0.25)
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    other.add_update({"loss": 0.3, "nan": 1.0}, 0.25)
    metrics = other.take(30)
    assert metrics["losses/loss"] == pytest.approx(0.2) and math.isnan(metrics["losses/nan"])
    assert metrics["charts/episodic_return"] == 1.5 and metrics["charts/episodic_length"] == 3.5
    assert metrics["charts/SPS"] == 20.0
    assert metrics["time/collect_seconds"] == 0.5 and metrics["time/update_seconds"] == 0.5


def test_a_record_fits_its_form_and_takes_what_was_stored_before():
    record, none = Record(10), TensorDict({}, [])
    record.add_rollout(Rollout(none, none, none, none, _episodes([1, 2], [3, 4]) | {"speed": [5]}), 0.5)
    record.add_update({"policy": 1, "optim/learning_rate": 2}, 0.5)
    check_like(Record.state_form(), record.state_dict(), "record")
    before = {
        "env_steps": 10,
        "losses": {"policy": [0.5]},
        "returns": [1.0],
        "lengths": [3],
        "seconds": [1.0, 0.0],
    }
    check_like(Record.state_form(), before, "record")
    record.load_state_dict(before)
    check_like(Record.state_form(), record.state_dict(), "record")
    expected = {
        "losses/policy": 0.5,
        "charts/episodic_return": 1.0,
        "charts/episodic_length": 3.0,
        "charts/SPS": 20.0,
    }
    assert record.take(30) == expected | {"time/collect_seconds": 1.0, "time/update_seconds": 0.0}


def test_a_record_that_took_no_time_has_no_rate():
    assert Record(10).take(30)["charts/SPS"] == 0.0
