"""Callbacks: told of every moment, may stop, log and save, and change nothing of what is learnt."""

import json
import re

import pytest
from python_runs import QUIET, TINY, lines, same_weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import engram


def options(folder, **more):
    return TINY | {"logging": QUIET["logging"] | {"run_dir": folder}} | more


class Notes(engram.Callback):
    """Notes what it is told, with the environment steps."""

    def __init__(self):
        self.told = []

    def note(self, trainer, moment, *what):
        self.told.append((moment, trainer.env_steps, *what))

    def on_start(self, trainer):
        self.note(trainer, "start")

    def on_rollout(self, trainer, rollout):
        self.note(trainer, "rollout", tuple(rollout.rows.batch_size))

    def on_update(self, trainer, metrics):
        self.note(trainer, "update", "losses/policy" in metrics and "optim/learning_rate" in metrics)

    def on_evaluation(self, trainer, metrics):
        self.note(trainer, "evaluation", sorted(metrics)[:2])

    def on_log(self, trainer, metrics):
        self.note(trainer, "log")

    def on_checkpoint(self, trainer, name, path):
        assert path.is_file() and path.stem == name and path.parents[1] == trainer.run_dir
        self.note(trainer, "checkpoint", name)

    def on_end(self, trainer):
        self.note(trainer, "end")


class Counting(engram.Callback):
    """Logs the number of updates it has seen, and keeps it in the checkpoint."""

    def __init__(self, stop_at=None):
        self.seen, self.stop_at = 0, stop_at

    def on_update(self, trainer, metrics):
        self.seen += 1
        trainer.log("seen", self.seen)
        trainer.log("memory/seen", 2 * self.seen)
        if self.stop_at is not None and trainer.env_steps >= self.stop_at:
            trainer.stop()

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return engram.train(**options(tmp_path_factory.mktemp("plain") / "run"))


def test_moments_come_in_order(tmp_path, plain):
    notes = Notes()
    run = engram.train(**options(tmp_path / "run"), callbacks=[notes])
    assert [moment for moment, *_ in notes.told[:6]] == [
        *("start", "checkpoint", "rollout", "update", "log", "rollout"),
    ]
    assert notes.told[1] == ("checkpoint", 0, "latest") and notes.told[2][2] == (4, 16)
    steps = [line["env_steps"] for line in lines(run)]
    assert [steps for moment, steps, *_ in notes.told if moment == "log"] == steps
    updates = [what for moment, _, *what in notes.told if moment == "update"]
    assert updates == [[True]] * len(steps)
    evaluations = [one for one in notes.told if one[0] == "evaluation"]
    assert [one[1] for one in evaluations] == [
        line["env_steps"] for line in lines(run) if "eval/episodic_return" in line
    ]
    assert evaluations[0][2] == ["eval/episodic_length", "eval/episodic_return"]
    assert notes.told[-2:] == [("checkpoint", steps[-1], "latest"), ("end", steps[-1])]
    assert lines(run) == lines(plain) and same_weights(run, plain)  # who only looks on changes nothing


def test_a_stopped_run_with_callbacks_goes_on_to_the_bit(tmp_path):
    whole = engram.train(**options(tmp_path / "whole", total_env_steps=600), callbacks=[Counting(), Notes()])
    stopped = engram.train(
        **options(tmp_path / "parts", total_env_steps=600), callbacks=[Counting(stop_at=250), Notes()]
    )
    assert 250 <= lines(stopped)[-1]["env_steps"] < 400
    again = engram.train(resume=stopped, callbacks=[Counting(), Notes()])
    assert lines(again) == lines(whole) and same_weights(again, whole)
    logged = [line["charts/seen"] for line in lines(again)]
    assert logged == [float(number) for number in range(1, len(logged) + 1)]
    assert [line["memory/seen"] for line in lines(again)] == [2 * number for number in logged]


@pytest.mark.parametrize("agent", ["r2d2", pytest.param("sac", marks=pytest.mark.slow)])
def test_a_stop_between_two_updates_of_one_iteration(tmp_path, agent):
    tiny = {
        **{key: TINY[key] for key in ("core", "env", "num_envs", "evaluation")},
        "agent": {"name": agent, "batch_size": 2, "batch_length": 8, "train_ratio": 1, "rollout_length": 16},
        **{"agent.replay.prefill": 128, "agent.replay.log_interval": 32, "total_env_steps": 300},
        "logging": QUIET["logging"],
    }
    runs = []
    for name, stop_at in (("whole", None), ("parts", 200)):
        folder = {"logging.run_dir": tmp_path / name}
        runs.append(engram.train(**tiny, **folder, callbacks=[Counting(stop_at)]))
    again = engram.train(resume=runs[1], callbacks=[Counting()])
    assert lines(again) == lines(runs[0]) and same_weights(again, runs[0])


def test_logged_numbers_are_in_tensorboard(tmp_path):
    logging = QUIET["logging"] | {"to": ["tensorboard"], "run_dir": tmp_path / "run"}
    run = engram.train(**TINY | {"logging": logging}, callbacks=[Counting()])
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    shown = [(event.step, event.value) for event in events.Scalars("charts/seen")]
    assert shown == [(line["env_steps"], line["charts/seen"]) for line in lines(run)] and len(shown) > 2


class Keeper(engram.Callback):
    def on_evaluation(self, trainer, metrics):
        trainer.save(f"evaluated-{trainer.env_steps}")


def test_checkpoints_of_ones_own(tmp_path):
    run = engram.train(**options(tmp_path / "run"), callbacks=[Keeper()])
    first, last = (line["env_steps"] for line in lines(run) if "eval/episodic_return" in line)
    early, late = (engram.load(run, f"evaluated-{steps}") for steps in (first, last))
    assert 0 < early.num_updates < late.num_updates
    assert run.evaluate(checkpoint=f"evaluated-{first}", episodes=2, num_envs=2)["episodes"] == 2


@pytest.mark.parametrize("name", ["latest", "best", "", "a/b", "../x", "a.b", "ü"])
def test_a_checkpoint_has_a_name_of_its_own(tmp_path, name):
    class Wrong(engram.Callback):
        def on_start(self, trainer):
            trainer.save(name)

    with pytest.raises(ValueError, match="A callback's checkpoint must have a name of letters"):
        engram.train(**options(tmp_path / "run"), callbacks=[Wrong()])


def test_a_metric_is_finite(tmp_path):
    class Wrong(engram.Callback):
        def on_update(self, trainer, metrics):
            trainer.log("own", float("nan"))

    with pytest.raises(ValueError, match="A metric must be a finite number, but own is nan"):
        engram.train(**options(tmp_path / "run"), callbacks=[Wrong()])


def test_all_are_told_of_the_end_when_one_fails(tmp_path):
    class Faulty(engram.Callback):
        def on_evaluation(self, trainer, metrics):
            raise ZeroDivisionError("of the user's own")

    notes = Notes()
    with pytest.raises(ZeroDivisionError, match="of the user's own"):
        engram.train(**options(tmp_path / "run"), callbacks=[Faulty(), notes])
    assert notes.told[-1][0] == "end"
    assert lines(engram.train(resume=tmp_path / "run"))[-1]["env_steps"] >= 400


@pytest.mark.parametrize("wrong", [[Notes], [print], Notes(), "Notes"])
def test_what_is_no_callback_is_refused(tmp_path, wrong):
    with pytest.raises(
        engram.RunError, match=re.escape("callbacks must be a list of objects of classes derived from")
    ):
        engram.train(**options(tmp_path / "run"), callbacks=wrong)
    assert not (tmp_path / "run").exists()


def test_a_callback_that_is_not_given_again_is_named(tmp_path, capsys):
    run = engram.train(**options(tmp_path / "run"), callbacks=[Counting(), Counting()])
    capsys.readouterr()
    engram.train(resume=run, total_env_steps=500, schedule_env_steps=500, callbacks=[Counting()])
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert notes == ["note: the run was trained with the callback Counting-2, which is not given again"]


def test_a_run_of_before_goes_on_with_callbacks(plain, tmp_path):
    """Which has no state of callbacks in its checkpoint."""
    manifest = json.loads((plain.path / "manifest.json").read_text())
    assert "callbacks" not in json.dumps(manifest)
    run = engram.train(resume=plain, total_env_steps=500, callbacks=[Counting()])
    assert lines(run)[-1]["charts/seen"] < len(lines(run))
