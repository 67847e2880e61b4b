"""Runs of an agent that learns from a replay: their files, and that a kill, a damage or a full disk loses nothing."""

import random
import shlex
import shutil
import time
from pathlib import Path

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from engram import agents
from engram.run_files.metrics_log import read_metrics
from run_files import (
    RECALL,
    assert_refused,
    assert_same_run,
    assert_tensorboard_follows_metrics,
    checkpoint_values,
    forge,
    metric_lines,
    snapshot,
)

AGENT_FOLDER = Path(__file__).resolve().parents[1] / "agents" / "replay"
ALLOW = "allow=[replay_agent]"
# A run of two seconds; its ring of 10 kB goes round about three times.
TINY_REPLAY = (
    "agent=custom",
    "agent._target_=replay_agent.RewardPredictor",
    *RECALL,
    "core=gru",
    "core.hidden_size=8",
    "num_envs=4",
    "total_env_steps=1000",
    "evaluation.interval=300",
    "evaluation.episodes=4",
    "evaluation.num_envs=2",
    "checkpoint.interval=250",
    "logging.progress=false",
    "logging.curve=false",
    "++agent.replay.capacity_bytes=12_000",
    "++agent.replay.prefill=100",
    "++agent.replay.log_interval=100",
)
SMALL = (
    "~agent",
    "~agent._target_",
    "agent.batch_size=2",
    "agent.batch_length=8",
    "agent.rollout_length=8",
    "agent.train_ratio=4",
    "agent.replay.store_carry_every=8",
)
R2D2 = (*SMALL, "agent=r2d2")
SAC = (*SMALL, "agent=sac", "agent.make_network.head_hidden_sizes=[8]", "agent.burn_in=4")
CASES = {
    "initial": ("+agent.burn_in=4", "+agent.replay.prefill_policy=random"),
    "recency": ("+agent.replay.sampling=recency", "env.delay=7"),
    "stored": ("+agent.carry_from=stored", "+agent.replay.store_carry_every=8", "+agent.rollout_length=2"),
    "r2i": (
        "~agent",
        "~agent._target_",
        "agent=r2i",
        "agent.units=16",
        "agent.memory_size=16",
        "agent.num_categoricals=4",
        "agent.batch_size=2",
        "agent.batch_length=16",
        "agent.rollout_length=4",
        "agent.train_ratio=4",
        "~core",
        "~core.hidden_size",
        "core=r2i",
        "core.hidden_size=8",
    ),
    "r2i, episodes": (
        *SMALL,
        "agent=r2i",
        "agent.units=16",
        "agent.memory_size=16",
        "agent.num_categoricals=4",
        "agent.imagination_horizon=3",
        "agent.action_gate=true",
        "agent.reward_scale=auto",
        "agent.num_bins=63",
        "agent.bin_decay=0.25",
        "agent.replay.sampling=episodes",
    ),
    "r2d2, priorities": (*R2D2, "agent.burn_in=4"),
    "r2d2, priorities, initial carry": (*R2D2, "agent.burn_in=4", "agent.carry_from=initial", "env.delay=20"),
    "r2d2, episodes": (
        *R2D2,
        "agent.burn_in=0",
        "agent.carry_from=initial",
        "agent.replay.sampling=episodes",
    ),
    "sac": (*SAC, "agent.replay.prefill_policy=random", "agent.replay.sampling=prioritized"),
    "sac, box": (*SAC, "env=popgym/position_only_pendulum_easy", "~env.delay"),
    "sac, episodes": (
        *SAC,
        "agent.burn_in=0",
        "agent.carry_from=initial",
        "agent.replay.sampling=episodes",
        "agent.make_network.separate_critic_core=false",
    ),
    "package": ("env=popgym/repeat_previous_easy", "~env.delay", "env.backend=package"),
}


@pytest.fixture
def train(run):
    """Train or continue in a process of its own, with the agent's folder on the search path."""

    def call(*words, **arguments):
        return run("train", *words, ALLOW, path=[AGENT_FOLDER], **arguments)

    return call


@pytest.fixture(scope="module")
def replayed(run, tmp_path_factory):
    """The folder of a finished run; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("replayed")
    words = (*TINY_REPLAY, ALLOW, f"logging.runs_dir={folder}")
    result = run("train", *words, path=[AGENT_FOLDER])
    assert result.code == 0, result.err
    return result.run_dir


def case_words(case):
    """The words of a case; its words `~x` take the words `x=…` of `TINY_REPLAY` out."""
    dropped = tuple(f"{word[1:]}=" for word in CASES[case] if word.startswith("~"))
    kept = [word for word in TINY_REPLAY if not dropped or not word.startswith(dropped)]
    return [*kept, *(word for word in CASES[case] if not word.startswith("~"))]


def test_files_of_a_run_with_a_replay(replayed):
    names = {path.relative_to(replayed).as_posix() for path in replayed.rglob("*") if path.is_file()}
    columns = "obs reward prev_action is_first is_last is_terminal action".split()
    replay_files = {f"replay/row+{name}.bin" for name in columns}
    assert replay_files <= names
    assert sum((replayed / name).stat().st_size for name in replay_files) <= 12_000
    config = yaml.safe_load((replayed / "config.yaml").read_text())
    assert config["agent"]["replay"]["capacity_bytes"] == 12_000 and "replay" not in config
    assert_tensorboard_follows_metrics(replayed)
    events = EventAccumulator(str(replayed / "tensorboard")).Reload()
    assert [image.step for image in events.Images("batch/rewards")] == [
        int(line["env_steps"]) for line in metric_lines(replayed) if "eval/episodic_return" in line
    ]
    # Only the checkpoint that a run is continued from speaks of the replay.
    latest, best = checkpoint_values(replayed), checkpoint_values(replayed, "best")
    assert latest["replay"]["ring"]["num_rows"] * 4 > 1000 and "replay" not in best


def test_world_models_show_what_they_imagine_at_every_evaluation(train, tmp_path):
    result = train(*case_words("r2i"), f"logging.runs_dir={tmp_path}")
    assert result.code == 0, result.err
    events = EventAccumulator(str(result.run_dir / "tensorboard")).Reload()
    steps = [
        int(line["env_steps"]) for line in metric_lines(result.run_dir) if "eval/episodic_return" in line
    ]
    assert [image.step for image in events.Images("open_loop/curves")] == steps and len(steps) > 2


def test_runs_without_a_replay_know_nothing_of_it(run, trained):
    assert "replay" not in yaml.safe_load((trained / "config.yaml").read_text())
    assert not (trained / "replay").exists()
    for word, meant in {
        "agent.replay.prefill=10": r"'agent.replay.prefill' does not; it belongs to agent=dreamerv3, r2d2, r2i, sac",
        "replay.prefill=10": r"'replay.prefill' does not; it belongs to agent=dreamerv3, r2d2, r2i, sac",
        "agent=r2i replay.prefill=10": r"'replay.prefill' does not; did you mean 'agent.replay.prefill'\?",
        "agent=r2i replay.log_every=10": r"'replay.log_every' does not; did you mean 'agent.replay.log_interval'\?",
    }.items():
        assert_refused(run("train", *word.split(), "logging.runs_dir=nowhere"), meant)


def test_a_run_acts_and_is_evaluated(run, replayed, monkeypatch):
    monkeypatch.syspath_prepend(str(AGENT_FOLDER))
    agent = agents.load(replayed, allow=["replay_agent"])
    assert agent.num_updates == checkpoint_values(replayed, "best")["agent"]["num_updates"] > 0
    copied = ("evaluate", f"run={replayed}", "episodes=4", "num_envs=2", f"output={replayed.parent / 'out'}")
    assert run(*copied, ALLOW, path=[AGENT_FOLDER]).code == 0
    assert_refused(run(*copied, path=[AGENT_FOLDER]), r"allow=\[my_package\]")


@pytest.mark.parametrize("case", ["initial", "stored"])
def test_a_killed_run_with_a_replay_continues_exactly(train, tmp_path, case):
    whole = train(*case_words(case), f"logging.runs_dir={tmp_path / 'whole'}")
    assert whole.code == 0, whole.err
    assert checkpoint_values(whole.run_dir)["replay"]["num_batches"] > 20

    def has_logged():
        files = list((tmp_path / "killed").rglob("metrics.jsonl"))
        return bool(files) and len(files[0].read_text().splitlines()) >= 6

    killed = train(*case_words(case), f"logging.runs_dir={tmp_path / 'killed'}", kill_when=has_logged)
    assert killed.code == -9, killed.err
    assert len(metric_lines(killed.run_dir)) < len(metric_lines(whole.run_dir))
    resumed = train(f"resume={killed.run_dir}")
    assert resumed.code == 0, resumed.err
    assert_same_run(killed.run_dir, whole.run_dir)
    assert_tensorboard_follows_metrics(killed.run_dir)


def test_a_larger_budget_goes_on_where_the_run_ended(train, tmp_path):
    first = train(*TINY_REPLAY, "total_env_steps=500", f"logging.runs_dir={tmp_path / 'first'}")
    assert train(f"resume={first.run_dir}", "total_env_steps=1000").code == 0
    updates = [
        checkpoint_values(path)["replay"]["num_batches"]
        for path in (first.run_dir, train(*TINY_REPLAY, f"logging.runs_dir={tmp_path / 'whole'}").run_dir)
    ]
    assert updates[0] == updates[1] > 50


@pytest.fixture
def replayed_copy(replayed, tmp_path):
    """A copy of a finished run, to be spoilt."""
    return shutil.copytree(replayed, tmp_path / "copied")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes()[:-8]),
            r"row\+obs\.bin has [\d,]+ bytes where [\d,]+ bytes",
        ),
        (lambda path: path.unlink(), r"row\+obs\.bin is missing where"),
        (
            lambda path: path.write_bytes(bytes(path.stat().st_size)),
            r"row\+obs\.bin is damaged: the checksum of rows",
        ),
    ],
)
def test_a_damaged_replay_is_named_and_left_as_it_is(train, replayed_copy, damage, message):
    damage(replayed_copy / "replay" / "row+obs.bin")
    before = snapshot(replayed_copy)
    assert_refused(train(f"resume={replayed_copy}", "total_env_steps=2000"), message)
    assert snapshot(replayed_copy) == before


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("agent.replay.capacity_bytes=100", r"expected capacity_bytes >= [\d,]+, but got 100"),
        (
            "agent.replay.prefill=10",
            r"expected agent.replay.prefill >= 4 environments x 12 rows = 48, but got 10",
        ),
        (
            "+agent.replay.sampling=newest",
            "sampling of a replay must be one of uniform, recency, episodes, but got 'newest'",
        ),
        ("agent.replay.capacity=3", r"An option must exist .* is added by \+agent.replay.capacity=value"),
        ("+agent.replay.capacity=3", r"replay takes .*, but got .*'agent.replay.capacity'"),
        (
            "agent.replay=null",
            r"replay of RewardPredictor must be a group of options, but got None; change agent.replay\.",
        ),
        ("+agent.batch_lenght=3", r"takes the arguments .*, but got .*'agent.batch_lenght'; did you mean"),
        ("+agent.carry_from=nowhere", "carry_from of RewardPredictor must be one of initial, stored"),
        ("capture=true", "captured|capture"),
    ],
)
def test_wrong_options_of_a_replay(train, tmp_path, word, message):
    result = train(*TINY_REPLAY, word, f"logging.runs_dir={tmp_path / 'runs'}")
    assert_refused(result, message)
    assert not (tmp_path / "runs").exists()


def test_a_disk_too_small_is_found_before_the_run_begins(train, tmp_path):
    result = train(
        *TINY_REPLAY, f"agent.replay.capacity_bytes={10**15}", f"logging.runs_dir={tmp_path / 'runs'}"
    )
    assert_refused(
        result,
        r"bytes do not fit into .* \(No space left on device\); free space, lower agent.replay.capacity_bytes",
    )
    assert not [
        path for path in (tmp_path / "runs").rglob("*") if path.is_file() or path.name.startswith("0-")
    ]


STARVING = """
import resource
from replay_agent import RewardPredictor

class Starving(RewardPredictor):
    def learn_from(self, batch, env_steps):
        if self.num_updates == 40:
            resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
        return super().learn_from(batch, env_steps)
"""


@pytest.mark.parametrize("to", ["logging.to=[tensorboard]", "logging.to=[]"])
def test_a_disk_that_fills_up_loses_nothing(run, train, tmp_path, to):
    """From the 40th update on, no file may grow beyond 6000 bytes."""
    (tmp_path / "starving.py").write_text(STARVING)
    words = [word for word in TINY_REPLAY if not word.startswith("agent._target_")]
    words += ["agent._target_=starving.Starving", "allow=[replay_agent,starving]"]
    words += [to]
    result = run("train", *words, f"logging.runs_dir={tmp_path / 'runs'}", path=[AGENT_FOLDER, tmp_path])
    assert result.code == 2, result.err
    (sentence,) = [line for line in result.err.splitlines() if line.startswith("error: ")]
    standing = f"the last checkpoint of {result.run_dir} is intact"
    assert "needs larger files than the system allows it" in sentence and standing in sentence
    assert shlex.split(sentence)[-1] == "allow=[replay_agent,starving]"
    assert "Traceback" not in result.err
    assert not list(result.run_dir.rglob("*.tmp"))
    # With room again, and an agent that leaves it, the run ends as if nothing had been.
    config = yaml.safe_load((result.run_dir / "config.yaml").read_text())
    config["agent"]["_target_"] = "replay_agent.RewardPredictor"
    forge(result.run_dir, "config.yaml", yaml.safe_dump(config))
    assert train(f"resume={result.run_dir}", "trust_edited=true").code == 0
    whole = train(*TINY_REPLAY, to, f"logging.runs_dir={tmp_path / 'whole'}")
    assert_same_run(result.run_dir, whole.run_dir)
    if "tensorboard" in to:
        assert_tensorboard_follows_metrics(result.run_dir)


def runs_in(folder):
    """The folders of the runs begun under `folder` that have a checkpoint."""
    return sorted({path.parent.parent for path in folder.rglob("checkpoints/*.safetensors")})


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_random_kills_with_a_replay(train, tmp_path, case):
    """At least 20 kills at random moments, some followed by a damaged checkpoint: the same numbers to the bit.

    One half are by the clock, from a process' beginning on, the other once some more lines are logged: a machine that
    is busy with other things changes only the first.
    """
    random.seed(f"replay-kills-{case}")
    words = case_words(case)
    start = time.monotonic()
    whole = train(*words, f"logging.runs_dir={tmp_path / 'whole'}")
    duration = time.monotonic() - start
    assert whole.code == 0, whole.err
    kills = finished = damages = 0
    while kills < 20 or finished < 2:
        folder, own_kills, result = tmp_path / f"killed-{finished}", 0, None
        while result is None or result.code != 0:
            moment = random_moment(folder, duration) if own_kills < 12 else {}
            runs = runs_in(folder)
            own = (f"resume={runs[-1]}",) if runs else (*words, f"logging.runs_dir={folder}")
            result = train(*own, **moment)
            assert result.code in (0, -9), result.err
            own_kills += result.code == -9
            if result.code == -9 and random.random() < 0.3:
                damages += damage_the_last_checkpoint(folder)
        assert_same_run(runs_in(folder)[-1], whole.run_dir)
        assert_tensorboard_follows_metrics(runs_in(folder)[-1])
        kills, finished = kills + own_kills, finished + 1
    print(f"{case}: {kills} kills, {damages} damaged checkpoints, {finished} runs")


def random_moment(folder, duration):
    """When to kill a run: some seconds after it is started, or once it has logged one to three more lines."""
    if random.random() < 0.5:
        return {"kill_after": random.uniform(0, duration)}

    def num_lines():
        return sum(len(path.read_text().splitlines()) for path in folder.rglob("metrics.jsonl"))

    target = num_lines() + random.randint(1, 3)
    return {"kill_when": lambda: num_lines() >= target}


def damage_the_last_checkpoint(folder):
    """Cut the newest checkpoint short, if there is one before it; says whether it did."""
    for path in folder.rglob("checkpoints/latest.safetensors"):
        if path.with_name("latest.previous.safetensors").exists():
            path.write_bytes(path.read_bytes()[:-9])
            return True
    return False


def test_metrics_are_means_between_lines(replayed):
    rows = read_metrics(replayed / "metrics.jsonl")
    counts = [row["losses/num_updates"] for row in rows if "losses/num_updates" in row]
    assert counts == sorted(counts) and len(counts) >= 9
    assert torch.tensor(counts).diff().max() < 25
