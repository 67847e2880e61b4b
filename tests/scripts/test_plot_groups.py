"""Comparing runs of unequal lengths and settings: where curves end, what they are called, what repeats them."""

import pytest
import yaml
from synthetic_runs import plot, row_of, write_run

from engram.analysis.choices import chosen_option
from engram.analysis.differences import name_part, tell_apart
from engram.analysis.groups import place_runs
from engram.analysis.runs import read_run
from engram.run_files.run_command import asked_for, command_text


def test_a_short_run_ends_the_comparison_and_is_named(run, tmp_path):
    """Tables compare where all runs have been; every curve goes on."""
    write_run(tmp_path / "runs", seed=0, returns=(0, 0.1, 0.2, 0.9))
    write_run(tmp_path / "runs", "mlp", seed=1, returns=(0, 0.5), name="short")
    result, document = plot(run, tmp_path / "runs", tmp_path / "out")
    assert (
        "compare over its first 2,000 environment steps, as" in result.out
        and "short has no more; what 1 of 2 runs have beyond, up to 4,000, counts in curves alone"
        in result.out
    )
    assert "repeat_previous_easy: training return, up to 2,000 environment steps" in result.out
    assert row_of(document, "gru")["mmer"]["value"] == pytest.approx(0.1)
    assert {one["compared_until"] for one in document["runs"]} == {2000}
    assert document["curves"]["env_steps"]["popgym/repeat_previous_easy"]["gru"]["x"][-1] == 4000


def test_an_aborted_run_does_not_cut_the_curve_of_its_group(run, tmp_path):
    write_run(tmp_path / "runs", seed=0, returns=(0.0, 0.2, 0.4, 0.6))
    write_run(tmp_path / "runs", seed=1, returns=(0.0, 0.2, 0.4, 0.8))
    write_run(tmp_path / "runs", seed=2, returns=(0.0, 0.5))
    result, document = plot(run, tmp_path / "runs", tmp_path / "out")
    for x, factor in (("env_steps", 1), ("wall_clock", 0.003)):
        curve = document["curves"][x]["popgym/repeat_previous_easy"]["gru"]
        places = [1000, 1750, 2000, 2000, 2500, 3250, 4000]
        assert curve["x"] == pytest.approx([place * factor for place in places])
        assert curve["value"] == pytest.approx([0, 0.225, 0.3, 0.2, 0.3, 0.475, 0.7])
        assert curve["runs"] == [3, 3, 3, 2, 2, 2, 2]
    assert curve["low"][-1] == pytest.approx(0.6) and curve["high"][-1] == pytest.approx(0.8)
    assert "of 3 runs some end before others, the first at 2,000 environment steps" in result.out


def test_runs_of_an_agent_each_are_curves_of_their_own(run, tmp_path):
    """Outside the usual folders too, where only what was chosen tells the agents apart."""
    for agent in ("r2i", "dreamerv3"):
        write_run(tmp_path / "t", words=(f"agent={agent}", "core=gru", "size=tiny"), name=agent)
        (tmp_path / "runs").mkdir(exist_ok=True)
        (tmp_path / "t/popgym/repeat_previous_easy/ppo-gru" / agent).rename(tmp_path / "runs" / agent)
    write_run(tmp_path / "runs")
    _, document = plot(run, tmp_path / "runs", tmp_path / "out")
    assert document["groups"] == ["dreamerv3 · gru", "ppo · gru", "r2i · gru"]
    commands = {one["group"]: one["command"] for one in document["configurations"]}
    assert all(f"agent={agent}" in commands[f"{agent} · gru"] for agent in ("r2i", "dreamerv3"))


def test_a_solved_run_keeps_its_value(run, tmp_path):
    words = ("evaluation.stop_at_return=0.9",)
    write_run(tmp_path / "runs", seed=0, returns=(0, 0.8), evaluations=(0.95,), words=words)
    write_run(tmp_path / "runs", seed=1, returns=(0, 0.2, 0.3, 0.4), evaluations=(0.5,), words=words)
    result, document = plot(run, tmp_path / "runs", tmp_path / "out")
    assert "1 of 2 runs stopped once an evaluation reached" in result.out and "has no more" not in result.out
    assert document["tasks"][0]["end"] == 4000
    assert row_of(document, "gru")["mmer"]["value"] == pytest.approx(0.6)
    curve = document["curves"]["env_steps"]["popgym/repeat_previous_easy"]["gru"]
    assert curve["value"][-1] == pytest.approx(0.6) and curve["x"][-1] == 4000


def test_groups_by_any_key(run, tmp_path):
    for seed in range(2):
        for size in (16, 64):
            write_run(
                tmp_path / "runs", seed=seed, words=(f"core.hidden_size={size}",), name=f"{seed}-{size}"
            )
    result, document = plot(run, tmp_path / "runs", tmp_path / "mixed", "group=[agent,core]")
    assert document["groups"] == ["gru"] and "mixes runs that differ in core.hidden_size" in result.out
    _, document = plot(run, tmp_path / "runs", tmp_path / "apart")
    assert document["groups"] == ["gru · hidden_size=16", "gru · hidden_size=64"]
    _, document = plot(run, tmp_path / "runs", tmp_path / "out", "group=core.hidden_size")
    assert document["groups"] == ["hidden_size=16", "hidden_size=64"]
    _, document = plot(run, tmp_path / "runs", tmp_path / "out", "group=[core,core.hidden_size]")
    assert document["groups"] == ["gru · hidden_size=16", "gru · hidden_size=64"]


def test_names_hold_as_few_differences_as_it_takes(tmp_path):
    """Rate and epochs change together, so one of them tells; how runs are evaluated, and what some lack, does not."""
    words = {
        "a": ("agent.learning_rate=1e-3", "agent.num_epochs=2", "evaluation.episodes=5"),
        "b": ("agent.learning_rate=1e-4", "agent.num_epochs=3", "+agent.new=1"),
        "c": ("agent.learning_rate=1e-4", "agent.num_epochs=3", "num_envs=8"),
    }
    runs = [read_run(write_run(tmp_path, words=given, name=name)) for name, given in words.items()]
    names = tell_apart(runs, ["task"] * 3, ["gru"] * 3)
    assert names == [
        "gru · learning_rate=0.001 · num_envs=64",
        "gru · learning_rate=0.0001 · num_envs=64",
        "gru · learning_rate=0.0001 · num_envs=8",
    ]
    assert tell_apart(runs, ["x", "y", "z"], ["gru"] * 3) == ["gru"] * 3


def test_as_much_of_a_key_is_said_as_tells_it_from_the_others():
    first, second = "agent.auxiliary.reconstruction.coef", "agent.auxiliary.self_prediction.coef"
    assert name_part(first, 1, [first, second, "seed"]) == "reconstruction.coef=1"
    assert name_part(first, 1, [first, "env.delay"]) == "coef=1"
    assert name_part("coef", 1, ["coef", second]) == "coef=1" and name_part(second, 0, ["coef"]) != "coef=0"


def test_a_run_keeps_the_command_it_was_given(run, tmp_path):
    """Quoted for a shell, in an archive too; a run of before did not store it."""
    gymnasium = ("core=gru", "env=gymnasium", "env.id=CartPole-v1")
    given = write_run(tmp_path / "given", words=gymnasium)
    words = [*gymnasium, "env.kwargs.title='a b'", "logging.run_dir=x", "resume=unfinished"]
    choices = {"agent": "ppo", "core": "gru", "env": "gymnasium", "size": "None"}
    (given / "command.json").write_text(command_text(asked_for(words, choices)))
    (write_run(tmp_path / "before", words=gymnasium) / "command.json").unlink()
    expected = {
        "given": "engram train core=gru env=gymnasium env.id=CartPole-v1 "
        "'env.kwargs.title='\"'\"'a b'\"'\"''",
        "before": None,
    }
    for name, command in expected.items():
        _, document = plot(run, tmp_path / name, tmp_path / f"{name}-out", "archive=true")
        _, archived = plot(run, tmp_path / f"{name}-out" / "runs.zip", tmp_path / f"{name}-again")
        for one in (document, archived):
            assert one["configurations"][0]["command"] == command and one["groups"] == ["gru"]
            assert one["tasks"][0]["name"] == "CartPole-v1"


@pytest.mark.parametrize(
    ("folder", "env", "expected"),
    [
        ("r2i-s5rl/0", {"_target_": "engram.envs.RecallFirst"}, ("r2i", "s5rl", "diagnostic/recall_first")),
        ("ppo-gru/0", {"_target_": "my.Env", "name": "x"}, ("ppo", "gru", "env")),
        ("my-runs/0", {"_target_": "engram.envs.GymnasiumEnv", "id": "A-v0"}, ("dreamer", "s5", "A-v0")),
        ("0", {"_target_": "engram.envs.make_env", "name": "popgym/autoencode_easy"}, None),
    ],
)
def test_a_run_of_before_is_named_by_its_folder(folder, env, expected):
    """And outside the usual folders by its classes."""
    config = {
        "agent": {"_target_": "engram.agents.Dreamer"},
        "core": {"_target_": "engram.memory_cores.S5"},
        "env": env,
    }
    names = [chosen_option(group, part, None, folder) for group, part in config.items()]
    assert names == list(expected or ("dreamer", "s5", "popgym/autoencode_easy"))


def test_a_class_of_the_users_own_goes_by_its_name():
    asked = asked_for([], {"core": "custom"})
    assert chosen_option("core", {"_target_": "my.NiceCore"}, asked, "ppo-custom/0") == "nice_core"


def test_a_damaged_command_is_named(run, tmp_path):
    folder = write_run(tmp_path / "runs")
    (folder / "command.json").write_text('{"words": 3}')
    assert (
        "command.json is damaged"
        in run("plot", f"runs={tmp_path / 'runs'}", f"output={tmp_path / 'out'}").err
    )


def test_how_environments_are_run_is_no_other_task(tmp_path):
    """Nor do runs differ of before there was an option."""
    old, new = write_run(tmp_path, seed=0), write_run(tmp_path, seed=1, words=("env.worker_timeout=60",))
    config = yaml.safe_load((old / "config.yaml").read_text())
    del config["env"]["worker_timeout"]
    (old / "config.yaml").write_text(yaml.safe_dump(config))
    placed = place_runs([read_run(folder) for folder in (old, new)], None)
    assert {(one.task, one.group) for one in placed} == {("popgym/repeat_previous_easy", "gru")}
