"""Runs of several ranks are those of one: the same parameters, the same checkpoint, whatever their number."""

import json

import pytest
from ranked_runs import SMALL, assert_same, train_alone, train_in_threads
from safetensors.torch import load_file

from engram.common.errors import UsageError
from engram.run_files.checkpoint import read_values
from engram.run_files.run_folder import checkpoint_path
from engram.training.session import Session

ON_POLICY = ["agent.rollout_length=8", "agent.num_minibatches=3", "num_envs=6", "total_env_steps=960"]
REPLAY = [
    *("agent.batch_size=5", "agent.batch_length=6", "agent.train_ratio=3", "agent.replay.prefill=100"),
    *(
        "agent.replay.capacity_bytes=1_000_000",
        "agent.replay.log_interval=8",
        "num_envs=6",
        "total_env_steps=320",
    ),
]
CASES = {
    "ppo": [
        *("agent=ppo", "agent.num_epochs=2", "agent.adam_epsilon=1e-3", "agent.kl_coef=0.2"),
        *("env=popgym/position_only_cart_pole_easy", "agent.make_network.make_encoder.normalize=true"),
        *("agent.bptt_length=4", *ON_POLICY),
    ],
    "ppo of rollouts": ["agent=ppo", "agent.normalize_advantage=rollout", "agent.num_epochs=1", *ON_POLICY],
    "impala": ["agent=impala", "agent.normalize_advantage=minibatch", *ON_POLICY],
    "a2c": ["agent=a2c", *ON_POLICY],
    "pqn": ["agent=pqn", "agent.adam_epsilon=1e-3", *ON_POLICY],
    "r2d2": ["agent=r2d2", "agent.burn_in=4", "agent.rollout_length=4", "agent.adam_epsilon=1e-3", *REPLAY],
    "r2d2 of episodes": [
        *("agent=r2d2", "agent.burn_in=0", "agent.carry_from=initial", "agent.replay.sampling=episodes"),
        *("agent.rollout_length=4", "agent.adam_epsilon=1e-3", *REPLAY),
    ],
    "sac": ["agent=sac", "agent.burn_in=4", "agent.rollout_length=4", "agent.adam_epsilon=1e-3", *REPLAY],
    "sac of numbers": [
        *("agent=sac", "agent.burn_in=4", "agent.rollout_length=4", "agent.adam_epsilon=1e-3", *REPLAY),
        *("env=popgym/position_only_pendulum_easy", "agent.make_network.make_encoder.normalize=true"),
    ],
    "world model": [
        *("agent=r2i", "core=gru", "core.hidden_size=8", "agent.units=16", "agent.memory_size=16"),
        *("agent.num_categoricals=4", "agent.num_classes=4", "agent.imagination_horizon=3"),
        # Adam makes a whole step of a gradient of a last bit: a weight of seed 0 has one.
        *("agent.optimizer=adam", "seed=1"),
        "agent.imagine_every=2",
        *("env=diagnostic/recall_first", "env.delay=3", "agent.rollout_length=4", *REPLAY),
    ],
}


def words_of(case, folder):
    small = [] if case == "world model" else SMALL
    if any(own.startswith("env=") for own in CASES[case]):
        small = [word for word in small if not word.startswith("env")]
    return ["evaluation.interval=null", *small, *CASES[case], f"logging.run_dir={folder}"]


def lines(run_dir):
    """Metrics without what the clock says, hashes, and how many ratios are above 1, which most are by a last bit."""
    ignored = ("charts/SPS", "hash", "losses/rho_clipped")
    found = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [
        {key: value for key, value in line.items() if not key.startswith("time/") and key not in ignored}
        for line in found
    ]


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_are_one_run(case, tmp_path):
    """Parameters and statistics to 1e-6 after 20 updates, the last bits of float32, and all else of a checkpoint."""
    one, two = tmp_path / "one", tmp_path / "two"
    train_alone(*words_of(case, one))
    train_in_threads(2, *words_of(case, two))
    assert_same(one, two)
    own, other = lines(one), lines(two)
    assert read_values(checkpoint_path(two, "latest"))["agent"]["num_updates"] >= 20
    for line, same in zip(own, other, strict=True):
        assert line.keys() == same.keys()
        assert line == pytest.approx(same, rel=1e-3, abs=1e-5)


def test_a_run_goes_on_with_another_number_of_ranks(tmp_path):
    """Two, then one, then three; and the environments of a package, whose state is the actions of their episodes."""
    words = [
        "env=gymnasium",
        "env.id=CartPole-v1",
        *(word for word in SMALL if "env" not in word),
        *CASES["impala"],
    ]
    words += ["evaluation.interval=null"]
    one, many = tmp_path / "one", tmp_path / "many"
    train_alone(*words, f"logging.run_dir={one}")
    train_in_threads(
        2, *words, f"logging.run_dir={many}", "total_env_steps=240", "schedule_env_steps=1_000_000"
    )
    train_alone(f"resume={many}", "total_env_steps=480")
    train_in_threads(3, f"resume={many}", "total_env_steps=960")
    assert_same(one, many)
    assert load_file(many / "checkpoints" / "latest.safetensors")["driver/carry/noise_key"].shape == (6,)


def test_ranks_evaluate_and_stop_together(tmp_path):
    run_dir = tmp_path / "run"
    words = [*words_of("impala", run_dir), "evaluation.stop_at_return=-5", "evaluation.episodes=4"]
    found = train_in_threads(2, *words, "evaluation.interval=100", "evaluation.num_envs=2")
    assert [one.is_finished for one in found] == [True, True]
    assert lines(run_dir)[-1]["eval/episodic_return"] >= -5
    assert lines(run_dir)[-1]["env_steps"] < 200


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["num_envs=7"], "expected num_envs to be a multiple of 2, but got 7; set num_envs=8."),
        (["device=cuda:0"], "expected device=cpu or device=cuda, but got 'cuda:0'"),
        (["agent.auxiliary.reconstruction.coef=1"], "agent.auxiliary has losses"),
        (["agent.num_minibatches=50"], "expected num_minibatches <= 6"),
    ],
)
def test_what_ranks_cannot_share_is_one_sentence(words, sentence, tmp_path):
    with pytest.raises(UsageError) as caught:
        train_in_threads(2, *words_of("impala", tmp_path / "run"), *words)
    assert sentence in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_parameters_that_come_apart_are_found(tmp_path, monkeypatch):
    def apart(session, rollout):
        if session.ranks.rank == 1:
            next(session.agent.network.parameters()).data.flatten()[0] += 1e-6

    monkeypatch.setattr(Session, "note_episodes", apart)
    with pytest.raises(RuntimeError, match="All processes of a run have the same parameters"):
        train_in_threads(2, *words_of("impala", tmp_path / "run"))


def test_a_run_that_ended_before_its_first_checkpoint_begins_anew(tmp_path):
    one, run_dir = tmp_path / "one", tmp_path / "run"
    train_alone(*words_of("r2d2", one))
    train_in_threads(2, *words_of("r2d2", run_dir))
    for path in [*(run_dir / "checkpoints").iterdir(), run_dir / "metrics.jsonl"]:
        path.unlink()
    train_in_threads(3, f"resume={run_dir}")
    assert_same(one, run_dir)


def test_a_rank_that_is_gone_ends_the_run_and_it_goes_on(tmp_path, monkeypatch):
    """The others say what there is to go on from, in one sentence."""
    one, run_dir, note = tmp_path / "one", tmp_path / "run", Session.note_episodes
    seen = []

    def lost(session, rollout):
        note(session, rollout)
        seen.append(session.ranks.rank)
        if session.ranks.rank == 1 and seen.count(1) == 5:
            raise RuntimeError("the process was killed")

    with monkeypatch.context() as patch:
        patch.setattr(Session, "note_episodes", lost)
        with pytest.raises(UsageError) as caught:
            train_in_threads(2, *words_of("impala", run_dir))
    assert str(caught.value) == (
        f"All 2 processes of a run are there to its end, but one is gone or does not answer; the last checkpoint of "
        f"{run_dir} is intact; go on, with as many processes or others, with: {run_dir}"
    )
    train_in_threads(2, f"resume={run_dir}")
    train_alone(*words_of("impala", one))
    assert_same(one, run_dir)
