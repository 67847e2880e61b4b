"""The grid: its trials, their folders and their own options; the manifest that keeps them."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from engram.common.errors import UsageError
from engram.scripts.sweeps.grid import make_trials, read_overrides
from engram.scripts.sweeps.manifest import MANIFEST_FILE, read_manifest, update_manifest
from engram.scripts.sweeps.plan import make_plan

AXES = {
    "agent": ["ppo"],
    "core": ["lstm", "gru"],
    "env": ["diagnostic/t_maze", "gymnasium"],
    "seed": ["0", "1"],
}


def test_trials_are_every_combination_the_first_seed_first():
    trials = make_trials(AXES, {"num_envs": "4"}, [])
    assert len(trials) == 8
    assert [trial.folder.as_posix() for trial in trials[:5]] == [
        "diagnostic/t_maze/ppo-lstm/0",
        "gymnasium/ppo-lstm/0",
        "diagnostic/t_maze/ppo-gru/0",
        "gymnasium/ppo-gru/0",
        "diagnostic/t_maze/ppo-lstm/1",
    ]
    assert trials[0].words == ["num_envs=4", "agent=ppo", "core=lstm", "env=diagnostic/t_maze", "seed=0"]


def test_folders_hold_the_values_of_other_axes():
    axes = AXES | {"agent.learning_rate": ["0.001"], "env.id": ["a:b/C-v0", "a:b_C-v0"]}
    folders = {trial.folder.name for trial in make_trials(axes, {}, [])}
    assert len(folders) == 4  # two seeds, two ids that only differ by what no folder's name may hold
    assert all(name.startswith(("0-agent.learning_rate-0.001-env.id-a_b_C-v0-", "1-")) for name in folders)


def test_overrides_apply_where_they_say():
    described = [
        {"when": {"core": "lstm"}, "set": ["agent.learning_rate=1e-3", "num_envs=8"]},
        {"when": {"core": ["lstm", "gru"], "seed": 1}, "set": ["agent.learning_rate=2e-3"]},
    ]
    trials = make_trials(AXES, {"num_envs": "4"}, read_overrides(described, AXES))
    settings = {(trial.values["core"], trial.values["seed"]): trial.settings for trial in trials}
    assert settings == {
        ("lstm", "0"): {"agent.learning_rate": "0.001"},  # what the user gave for all, num_envs, rules
        ("lstm", "1"): {"agent.learning_rate": "0.002"},
        ("gru", "0"): {},
        ("gru", "1"): {"agent.learning_rate": "0.002"},
    }
    axes = AXES | {"agent.learning_rate": ["0.5"]}
    assert all(
        "agent.learning_rate" not in t.settings
        for t in make_trials(axes, {}, read_overrides(described, axes))
    )


@pytest.mark.parametrize(
    "described",
    [
        {},
        [3],
        [{"when": {"core": "lstm"}}],
        [{"when": {"cor": "lstm"}, "set": []}],
        [{"when": {}, "set": ["a"]}],
    ],
)
def test_wrong_overrides(described):
    with pytest.raises(UsageError):
        read_overrides(described, AXES)


def test_the_comparison_is_what_its_file_says():
    plan = make_plan(["experiment=core_comparison"])
    assert len(plan.trials) == 180 and plan.directory == Path("runs/sweeps/core_comparison")
    budgets = {trial.values["env"]: trial.settings.get("total_env_steps", "1000000") for trial in plan.trials}
    assert budgets == {
        "popgym/repeat_previous_easy": "1000000",
        "popgym/repeat_previous_medium": "3000000",
        "popgym/autoencode_easy": "1000000",
        "popgym/count_recall_easy": "3000000",
        "diagnostic/recall_first": "1000000",
        "diagnostic/t_maze": "3000000",
    }
    maze = next(trial for trial in plan.trials if trial.values["env"] == "diagnostic/t_maze")
    assert maze.settings["env.corridor_length"] == "100"
    smaller = make_plan(["experiment=core_comparison", "core=mlp", "seed=7", "total_env_steps=1000"])
    assert len(smaller.trials) == 6 and {trial.values["seed"] for trial in smaller.trials} == {"7"}
    assert not any("total_env_steps" in trial.settings for trial in smaller.trials)


def test_the_ladder_asks_for_more_than_was_trained():
    plan = make_plan(["experiment=core_ladder", "core=s5,lstm"])
    assert len(plan.trials) == 6 and {trial.values["core"] for trial in plan.trials} == {"s5", "lstm"}
    asked = {trial.values["env"]: trial.settings for trial in plan.trials if trial.values["core"] == "s5"}
    assert asked == {
        "diagnostic/parity": {
            "evaluation.env.length": "64",
            "agent.learning_rate": "0.002",
            "agent.entropy_coef": "0.3",
        },
        "diagnostic/permutations": {"evaluation.env.length": "64"},
        "diagnostic/recall_pairs": {"evaluation.env.num_pairs": "8"},
    }
    with pytest.raises(
        ValueError, match=r"expected the observation_space Discrete\(11\), but got Discrete\(121\)"
    ):
        make_plan(
            ["experiment=core_ladder", "core=mlp", "evaluation.env.tokens=all", "env=diagnostic/permutations"]
        )


def test_every_core_gets_the_same_search_for_its_rate():
    plan = make_plan(["experiment=core_comparison_learning_rate"])
    rates = plan.axes["agent.learning_rate"]
    assert len(plan.trials) == 6 * 2 * len(rates) and plan.common["total_env_steps"] == 200_000
    assert not any(trial.settings for trial in plan.trials)


def test_the_manifest_grows_and_is_never_contradicted(tmp_path):
    words = ["core=mlp", "env=diagnostic/recall_first", f"dir={tmp_path}", "agent.learning_rate=1e-3,1e-4"]
    update_manifest(make_plan([*words, "seed=0..1"]))
    before = (tmp_path / MANIFEST_FILE).read_bytes()
    update_manifest(make_plan([*words, "seed=1..2", "core=mlp,gru"]))
    stored = read_manifest(tmp_path)
    assert stored["axes"]["seed"] == ["0", "1", "2"] and stored["axes"]["core"] == ["mlp", "gru"]
    assert len(stored["trials"]) == 4 + 8 - 2
    assert stored["trials"][0]["command"].startswith("engram train ")
    assert before != (tmp_path / MANIFEST_FILE).read_bytes() and not list(tmp_path.glob("*.tmp"))
    for word in ("num_envs=8", "env.delay=7", "agent.gamma=0.5", "agent.clip_range=0.1,0.2"):
        with pytest.raises(UsageError, match=r"sweep\.dir"):
            update_manifest(make_plan([*words, word]))
    plan = make_plan(words)
    changed = [replace(trial, settings={"core.hidden_size": "8"}) for trial in plan.trials]
    with pytest.raises(UsageError, match=r"settings.*hidden_size"):
        update_manifest(replace(plan, trials=changed))
    (tmp_path / MANIFEST_FILE).write_text(yaml.safe_dump({"axes": {}}))
    with pytest.raises(UsageError, match="damaged"):
        update_manifest(plan)
