"""Actors in threads, as those of Ray are scheduled: what is learnt, from which rows, and what a checkpoint holds."""

import random
import time

import pytest
from ranked_runs import SMALL, train_alone
from safetensors.torch import load_file
from thread_actors import threads_for_actors

from engram.common.errors import UsageError
from engram.training.actors.transport import ActorLostError
from engram.training.session import Session

LOCKSTEP = ["sampler=ray", "num_envs=16", "evaluation.interval=null", "total_env_steps=800"]
CASES = {
    "ppo": ["agent=ppo", "agent.rollout_length=8", "agent.num_minibatches=2", "agent.num_epochs=2"],
    "ppo, normalised": [
        *("agent=ppo", "agent.rollout_length=8", "agent.num_minibatches=2", "agent.bptt_length=4"),
        *("env=popgym/position_only_cart_pole_easy", "agent.make_network.make_encoder.normalize=true"),
    ],
    "impala": ["agent=impala", "agent.rollout_length=8", "agent.num_minibatches=2"],
    "r2d2": [
        *(
            "agent=r2d2",
            "agent.burn_in=4",
            "agent.rollout_length=4",
            "agent.batch_size=4",
            "agent.batch_length=6",
        ),
        *("agent.train_ratio=2", "agent.replay.prefill=400", "agent.replay.capacity_bytes=1_000_000"),
        "agent.replay.prefill_policy=random",
    ],
}


def words_of(case, run_dir, *more):
    small = [word for word in SMALL if not (word.startswith("env") and case == "ppo, normalised")]
    return [*small, *CASES[case], *LOCKSTEP, f"logging.run_dir={run_dir}", *more]


def train(before_call, *words):
    """Train with actors in threads; returns their transport."""
    with threads_for_actors(before_call) as made:
        train_alone(*words)
    return made[0]


def at_once(seat, method):
    """Wait for nothing."""


def sometime(seat, method):
    """Wait for a random time, so that actors overtake each other."""
    time.sleep(random.random() * 0.01)


def equal_checkpoints(one, other):
    """Whether all tensors of two runs' last checkpoints are the same, to the bit."""
    a, b = (load_file(run / "checkpoints" / "latest.safetensors") for run in (one, other))
    assert a.keys() == b.keys()
    return [name for name in a if not a[name].equal(b[name])] == []


@pytest.mark.parametrize("case", CASES)
def test_lockstep_is_the_same_run_with_any_number_of_actors_at_any_timing(case, tmp_path):
    counts = (1, 2, 4) if case == "ppo, normalised" else (1, 4)
    for count in counts:
        train(sometime, *words_of(case, tmp_path / str(count), f"actors.count={count}"))
    assert all(equal_checkpoints(tmp_path / "1", tmp_path / str(count)) for count in counts[1:])


@pytest.mark.parametrize("case", ["ppo, normalised", "r2d2"])
def test_lag_0_is_a_run_without_actors(case, tmp_path):
    train(sometime, *words_of(case, tmp_path / "actors", "actors.lag=0"))
    train_alone(*words_of(case, tmp_path / "local", "sampler=local"))
    one, other = (
        load_file(tmp_path / name / "checkpoints" / "latest.safetensors") for name in ("actors", "local")
    )
    names = [name for name in other if name.startswith("agent/")]
    assert names and all(one[name].equal(other[name]) for name in names)


@pytest.mark.parametrize(("case", "lag"), [("ppo, normalised", 2), ("r2d2", 1), ("impala", 0)])
def test_a_stopped_run_goes_on_to_the_bit_with_another_number_of_actors(case, lag, tmp_path):
    """What was in flight is made again, with the parameters it was asked for with, not with the newest ones."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(sometime, *words_of(case, whole, f"actors.lag={lag}"))
    train(
        sometime,
        *words_of(case, parts, f"actors.lag={lag}", "actors.count=4"),
        *("total_env_steps=400", "schedule_env_steps=800"),
    )
    stored = load_file(parts / "checkpoints" / "latest.safetensors")
    assert sum(name.startswith("driver/actors/parameters/") for name in stored) == lag
    train(sometime, f"resume={parts}", "total_env_steps=800", "actors.count=1")
    whole_state, parts_state = (
        load_file(run / "checkpoints" / "latest.safetensors") for run in (whole, parts)
    )
    assert [name for name in whole_state if not whole_state[name].equal(parts_state[name])] == []


def test_an_actor_that_dies_is_made_anew_and_nothing_changes(tmp_path):
    calls = []

    def die(seat, method):
        calls.append(seat)
        if seat == 1 and method == "collect" and calls.count(1) in (4, 6, 9):
            raise ActorLostError("killed")

    transport = train(die, *words_of("impala", tmp_path / "one"))
    assert transport.launches == 2 + 3
    train(at_once, *words_of("impala", tmp_path / "two"))
    assert equal_checkpoints(tmp_path / "one", tmp_path / "two")


def test_an_actor_that_dies_again_and_again_ends_the_run_in_one_sentence(tmp_path):
    def die(seat, method):
        if seat == 1 and method == "collect":
            raise ActorLostError("killed")

    with pytest.raises(UsageError) as caught:
        train(die, *words_of("impala", tmp_path / "run"))
    assert str(caught.value).startswith(
        "The process of an actor must live as long as its run, but that of actor 1 has ended 4 times in a row "
        "(killed); find out why, or take fewer environments. The run's last checkpoint is intact;"
    )


@pytest.mark.parametrize("bound", [2, 4])
def test_free_actors_are_never_older_than_the_bound_and_no_row_is_lost(bound, tmp_path, monkeypatch):
    """One of four is fifty times slower: others overtake it, and it is waited for before it is too old."""
    lags, counts, close = [], [], Session.close

    def note(session, rollout):
        lags.append(session.driver.measured["actors/largest_lag"])

    def count(session):
        driver = session.driver
        learnt = driver.version * 16 * 8
        counts.append((driver.crew.rows_collected(), learnt, driver.rows_in_flight))
        close(session)

    monkeypatch.setattr(Session, "note_episodes", note)
    monkeypatch.setattr(Session, "close", count)

    def slow(seat, method):
        if method == "collect":
            time.sleep(0.1 if seat == 3 else 0.002)

    train(
        slow,
        *words_of("impala", tmp_path / "run", "actors.mode=free", "actors.count=4", f"actors.lag={bound}"),
    )
    assert max(lags) == bound and min(lags) == 0
    ((collected, learnt, in_flight),) = counts
    assert in_flight == 2 * 16 * 8 and collected == learnt + in_flight


def test_free_actors_go_on(tmp_path):
    """What was in flight is made again; steps are counted on, and each begins where its last learnt rollout ended."""
    run_dir = tmp_path / "run"
    train(sometime, *words_of("ppo", run_dir, "actors.mode=free", "total_env_steps=400"))
    train(sometime, f"resume={run_dir}", "total_env_steps=800", "actors.count=4")
    state = load_file(run_dir / "checkpoints" / "latest.safetensors")
    # The noise of every environment has been used once for each of its rows.
    rows = int(state["driver/carry/noise_counter"].sum())
    assert rows % 128 == 0 and 800 < rows < 1400


WRONG = {
    "actors.count=3": "expected num_envs to be a multiple of actors.count=3, but got 16; set num_envs=15.",
    "actors.mode=free actors.lag=1": "lag must be a whole number of at least 2 with actors.mode=free, but got 1",
    "sampler=local actors.count=4": "got actors.count with sampler=local; add sampler=ray, or leave it out.",
    "capture=true": "Actors (sampler=ray) do not go with capture=true; leave one of both out.",
    "profile=true": "do not go with profile=true",
    "curriculum.argument=delay curriculum.values=[2,3] curriculum.raise_at_return=1": "do not go with a curriculum",
    "agent.auxiliary.reconstruction.coef=1": "agent.auxiliary has losses that are not written for it",
    "agent=a2c": "set actors.mode=lockstep actors.lag=0",
    "agent=pqn": "set actors.mode=lockstep actors.lag=0",
    "agent=sac": "this agent is not written for it",
    "actors.mode=fre": "actors.mode must be one of lockstep, free, but got 'fre'",
    "sampler=rya": "sampler must be one of local, ray, but got 'rya'",
}


@pytest.mark.parametrize("words", WRONG)
def test_what_does_not_go_with_actors_is_one_sentence(words, tmp_path):
    given = words.split()
    common = [word for word in words_of("impala", tmp_path / "run") if word.split("=")[0] not in words]
    common = [word for word in common if not (words == "agent=sac" and word.startswith("agent."))]
    with pytest.raises(UsageError) as caught:
        train(at_once, *common, *given)
    assert WRONG[words] in str(caught.value)
    assert not (tmp_path / "run").exists()
