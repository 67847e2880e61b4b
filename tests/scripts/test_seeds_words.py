"""The words of several seeds: what is right, and what is refused in one sentence before anything is made."""

from pathlib import Path

import pytest

import engram
from engram.common.errors import RunError, UsageError
from engram.run_files.sealed_json import EditedFileError
from engram.scripts.seeds.plan import asks_for_seeds, make_seeds_plan
from engram.scripts.seeds.stored import SEEDS_FILE, StoredSeeds, read_seeds, write_seeds
from engram.scripts.sweeps import launchers
from engram.scripts.sweeps.plan import make_plan
from run_files import RECALL, TINY

COMMON = [*TINY, *RECALL]


def test_a_plan(tmp_path, monkeypatch):
    monkeypatch.setattr(launchers.os, "cpu_count", lambda: 4)
    plan = make_seeds_plan([*COMMON, "seeds=8", "seed=2", f"logging.runs_dir={tmp_path}", "retries=0"])
    assert plan.directory.parent == tmp_path / "diagnostic" / "recall_first" / "ppo-lstm"
    assert plan.directory.name.startswith("seeds-2..9-2")
    assert [trial.folder for trial in plan.trials] == [Path(str(seed)) for seed in range(2, 10)]
    # The words of a single run of that seed.
    assert plan.trials[1].words == [*COMMON, f"logging.runs_dir={tmp_path}", "seed=3"]
    assert (plan.workers, plan.retries, plan.trust_edited) == (4, 0, False)
    assert plan.command == f"engram train resume={plan.directory}"
    again = make_seeds_plan([f"resume={plan.directory}", "workers=3", "threads=2"])
    assert again.workers == 3 and again.config["threads"] == 2 and len(again.trials) == 8
    assert again.trials[1].words == [*COMMON, f"logging.runs_dir={tmp_path}", "threads=2", "seed=3"]
    assert make_seeds_plan([f"resume={plan.directory}", "threads=4"]).workers == 1
    assert len(make_seeds_plan([f"resume={plan.directory}", "seeds=9"]).trials) == 9
    with pytest.raises(UsageError, match="this one has 9 and got seeds=4; leave it out, or give more"):
        make_seeds_plan([f"resume={plan.directory}", "seeds=4"])


def test_which_commands_are_for_several_seeds(tmp_path):
    assert asks_for_seeds(["seeds=1"]) and asks_for_seeds(["core=gru", "+seeds=x"])
    assert not any(map(asks_for_seeds, ([], ["seed=3"], ["seeds=null"], ["seeds=3", "seeds=null"])))
    assert not asks_for_seeds([f"resume={tmp_path}"]) and not asks_for_seeds(["resume=unfinished"])
    write_seeds(tmp_path, StoredSeeds(0, 2, ["core=gru"]))
    assert asks_for_seeds([f"resume={tmp_path}"])


def test_a_file_of_options_may_say_how_many(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("core: {name: gru, hidden_size: 8}\nseeds: 3\nworkers: 2\nseed: 5\n")
    words = [f"config={path}", *RECALL, f"logging.runs_dir={tmp_path}/runs"]
    assert asks_for_seeds(words) and not asks_for_seeds([*words, "seeds=null"])
    plan = make_seeds_plan(words)
    assert plan.workers == 2 and [trial.folder.name for trial in plan.trials] == ["5", "6", "7"]
    assert plan.trials[0].words == ["core=gru", "core.hidden_size=8", *RECALL, words[-1], "seed=5"]
    assert len(make_seeds_plan([*words, "seeds=1", "seed=0"]).trials) == 1
    assert not asks_for_seeds([f"config={tmp_path}/none.yaml"])


WRONG = {
    "seeds=0": "seeds must be a whole number of at least 1, but got 0; set seeds=8",
    "seeds=many": "seeds must be a whole number of at least 1, but got 'many'",
    "seeds=0..7": r"the first of which is seed=, but got seeds=0\.\.7; write seeds=8, or .*engram sweep, seed=0\.\.7",
    "seeds=1,2": "name them to engram sweep, seed=1,2",
    "seeds=2 workers=0": "workers must be a whole number of at least 1, or null, but got 0; set workers=8",
    "seeds=2 retries=-1": "retries must be",
    "seeds=2 seed=-1": "seed must be",
    "seeds=2 seed=0,1": "Training takes one value of every option, but got seed=0,1",
    "seeds=2 core=ltsm": "core must be one of .*'ltsm'",
    "seeds=2 agent.gamma=2": "gamma of PPO must be a number from 0 to 1",
    "seeds=2 agent.num_minibatches=9": "expected num_minibatches <= 4",
    "seeds=2 wrokers=2": "'wrokers' does not",
    "seeds=2 device=cuda:7": "device must be one of",
    "seeds=2 resume=unfinished": "holds no seeds.yaml; leave seeds= out to continue a single run",
    "seeds=2 resume=nowhere": "but nowhere holds no seeds.yaml",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_words(tmp_path, words):
    with pytest.raises((UsageError, ValueError), match=WRONG[words]) as caught:
        make_seeds_plan([*COMMON, f"logging.runs_dir={tmp_path}/runs", *words.split()])
    assert "\n" not in str(caught.value) and not (tmp_path / "runs").exists()


def test_a_wrong_word_is_one_sentence_on_the_command_line(run, tmp_path):
    result = run("train", *COMMON, "seeds=2", "workers=none", f"logging.runs_dir={tmp_path}/runs")
    assert result.code == 2 and not (tmp_path / "runs").exists()
    assert (
        result.err
        == "error: workers must be a whole number of at least 1, or null, but got 'none'; set workers=8.\n"
    )


def test_a_given_folder_is_a_new_one(tmp_path):
    (tmp_path / "mine.txt").touch()
    words = [*COMMON, "seeds=2", f"logging.run_dir={tmp_path}"]
    with pytest.raises(UsageError, match=r"holds something; give another logging\.run_dir\.$"):
        make_seeds_plan(words)
    write_seeds(tmp_path, StoredSeeds(0, 2, COMMON))
    with pytest.raises(UsageError, match=f"or continue its runs with resume={tmp_path}"):
        make_seeds_plan(words)
    with pytest.raises(UsageError, match=r"cannot \(Not a directory\)"):
        make_seeds_plan([*words, f"logging.run_dir={tmp_path}/mine.txt/x"])


def test_a_common_folder_that_goes_on_keeps_its_options(tmp_path):
    write_seeds(tmp_path, StoredSeeds(0, 2, COMMON))
    with pytest.raises(UsageError, match=r"only seeds, workers, .* but got 'total_env_steps'; .*one by one"):
        make_seeds_plan([f"resume={tmp_path}", "total_env_steps=9"])
    path = tmp_path / SEEDS_FILE
    path.write_text(path.read_text().replace("count: 2", "count: 3"))
    with pytest.raises(EditedFileError, match="checksum"):
        make_seeds_plan([f"resume={tmp_path}"])
    with pytest.warns(UserWarning, match="trust_edited"):
        plan = make_seeds_plan([f"resume={tmp_path}", "trust_edited=true"])
    assert len(plan.trials) == 3 and plan.trust_edited
    path.write_text("first: x\n")
    with pytest.raises(UsageError, match="damaged"):
        make_seeds_plan([f"resume={tmp_path}"])


def test_a_folder_allows_no_code(tmp_path):
    """What `allow=` names is not stored; an environment's own package must be allowed anew."""
    words = ["env=gymnasium", "env.id=my_package:My-v0", "allow=[other]"]
    write_seeds(tmp_path, StoredSeeds(0, 2, words[:2]))
    with pytest.raises(UsageError, match=r"need the package my_package; give allow=\[my_package\] as well"):
        make_seeds_plan([f"resume={tmp_path}"])
    plan = make_seeds_plan([*COMMON, "seeds=1", words[2], f"logging.runs_dir={tmp_path}/runs"])
    runs_dir = f"logging.runs_dir={tmp_path}/runs"
    assert read_seeds(plan.directory).words == [*COMMON, runs_dir]
    assert plan.trials[0].words == [*COMMON, "allow=[other]", runs_dir, "seed=0"]
    assert plan.command == f"engram train resume={plan.directory} 'allow=[other]'"


def test_one_call_of_python_trains_one_run(tmp_path):
    with pytest.raises(RunError, match="One call trains one run, but got seeds=2; give one seed="):
        engram.train(core="mlp", env="diagnostic/recall_first", seeds=2, logging={"runs_dir": str(tmp_path)})


def test_a_sweep_names_its_seeds():
    with pytest.raises(UsageError, match=r"got seeds=…; write seed=0\.\.7"):
        make_plan([*COMMON, "seeds=2"])
