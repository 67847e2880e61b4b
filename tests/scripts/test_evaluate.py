"""Evaluating a trained run: its numbers, the memory probe and the video."""

import json
import math
import re
import statistics

import pytest
from toy_modules import write_modules

from engram.api.results import write_results
from engram.common.errors import UsageError
from engram.run_files.metrics_log import read_metrics
from run_files import RECALL, TINY, assert_refused, snapshot


@pytest.fixture(scope="module")
def recall(run, tmp_path_factory):
    """A run on recall_first with a delay of 3."""
    result = run("train", *TINY, *RECALL, f"logging.runs_dir={tmp_path_factory.mktemp('recall')}")
    assert result.code == 0, result.err
    return result.run_dir


def evaluate(run, run_dir, output, *words):
    """Evaluate 7 episodes on 3 environments; returns the JSON by file name."""
    common = (f"run={run_dir}", "episodes=7", "num_envs=3", f"output={output}")
    result = run("evaluate", *common, *words)
    assert result.code == 0, result.err
    return result, {path.name: json.loads(path.read_text()) for path in output.glob("*.json")}


def test_mean_and_standard_error(run, recall, tmp_path):
    result, files = evaluate(run, recall, tmp_path)
    (found,) = files.values()
    returns = found["returns"]
    assert found["env"] == "diagnostic/recall_first" and found["deterministic"] is True
    assert found["episodes"] == len(returns) == len(found["lengths"]) == 7
    assert set(found["lengths"]) == {4} and set(returns) <= {1.0, -1.0}
    assert math.isclose(found["mean"], statistics.fmean(returns))
    assert math.isclose(found["standard_error"], statistics.stdev(returns) / math.sqrt(7))
    assert f"{found['mean']:.4f} ± {found['standard_error']:.4f} over 7 episodes" in result.out


def test_the_default_place_and_a_single_episode(run, recall):
    result = run("evaluate", f"run={recall}", "episodes=1", "num_envs=3")
    assert result.code == 0 and "over 1 episode\n" in result.out and "nan" not in result.out
    found = json.loads((recall / "evaluation" / "evaluation.json").read_text())
    assert found["episodes"] == 1 and found["standard_error"] is None


def test_sampled_actions_checkpoints_and_seeds(run, recall, tmp_path):
    def returns(name, *words):
        _, files = evaluate(run, recall, tmp_path / name, "episodes=40", *words)
        return files["evaluation.json"]["returns"]

    sampled = returns("sampled", "deterministic=false")
    assert sampled == returns("again", "deterministic=false")
    assert sampled != returns("deterministic")
    assert sampled != returns("seed", "deterministic=false", "seed=7")
    assert returns("best") == returns("best-by-name", "checkpoint=best")
    returns("latest", "checkpoint=latest")
    missing = run("evaluate", f"run={recall}", "checkpoint=step-1")
    assert_refused(missing, "best, latest, but got 'step-1'")


def test_against_another_agent_in_the_same_episodes(run, recall, tmp_path):
    evaluate(run, recall, tmp_path / "sampled", "episodes=40", "deterministic=false")
    words = ("episodes=40", f"against={tmp_path / 'sampled' / 'evaluation.json'}")
    result, files = evaluate(run, recall, tmp_path / "greedy", *words)
    other = json.loads((tmp_path / "sampled" / "evaluation.json").read_text())["returns"]
    found = files["evaluation.json"]
    differences = [mine - its for mine, its in zip(found["returns"], other, strict=True)]
    assert len(set(differences)) > 1
    assert math.isclose(found["against"]["mean_difference"], statistics.fmean(differences))
    assert math.isclose(found["against"]["standard_error"], statistics.stdev(differences) / math.sqrt(40))
    assert f"in the same episodes: {statistics.fmean(differences):.4f} ±" in result.out


def test_against_a_folder_takes_its_evaluation(run, recall, tmp_path):
    evaluate(run, recall, recall / "evaluation")
    result, files = evaluate(run, recall, tmp_path, f"against={recall}")
    assert files["evaluation.json"]["against"]["mean_difference"] == 0 and "0.0000 ± 0.0000" in result.out


def test_against_other_episodes_is_refused(run, recall, tmp_path):
    evaluate(run, recall, tmp_path / "other", "seed=7", "env.delay=5")
    words = ("episodes=7", "num_envs=3", f"against={tmp_path / 'other' / 'evaluation.json'}")
    result = run("evaluate", f"run={recall}", f"output={tmp_path / 'out'}", *words)
    assert_refused(
        result, r"same episodes: expected env=.*'delay': 3.*seed=1000, but .* has .*'delay': 5.*seed=7"
    )
    missing = run("evaluate", f"run={recall}", f"output={tmp_path / 'out'}", f"against={tmp_path}")
    assert_refused(missing, "against must name an evaluation")
    assert not (tmp_path / "out").exists()


def test_probe_over_the_delay(run, recall, tmp_path):
    result, files = evaluate(run, recall, tmp_path, "probe.argument=delay", "probe.values=[6,1,3]")
    found = files["probe_delay.json"]
    assert found["argument"] == "delay" and found["trained"] == 3
    assert [(point["value"], point["beyond_training"]) for point in found["points"]] == [
        (1, False),
        (3, False),
        (6, True),
    ]
    assert [point["mean_length"] for point in found["points"]] == [2, 4, 7]
    assert [point["episodes"] for point in found["points"]] == [7, 7, 7]
    assert "delay=6" in result.out and result.out.count("(beyond training)") == 1
    assert (tmp_path / "probe_delay.png").read_bytes().startswith(b"\x89PNG")


def test_probe_inside_the_options_of_a_family(run, trained, tmp_path):
    words = ("env.name=popgym/repeat_previous", "env.kwargs={num_decks: 1, k: 4}")
    _, files = evaluate(run, trained, tmp_path, *words, "probe.argument=kwargs.k", "probe.values=[2,8]")
    found = files["probe_kwargs_k.json"]
    assert [point["value"] for point in found["points"]] == [2, 8] and found["trained"] is None


def test_other_arguments_of_the_environment(run, recall, tmp_path):
    _, files = evaluate(run, recall, tmp_path, "env.delay=5")
    assert files["evaluation.json"]["mean_length"] == 6


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        ("probe.argument=dealy", r"one of delay, num_symbols, but got 'dealy'"),
        ("probe.argument=delay probe.values=[a]", r"must be numbers, but got 'a'"),
        ("probe.argument=delay probe.values=3", r"probe\.values must be a list"),
        ("probe.argument=delay probe.values=[-1]", "delay of RecallFirst must be .*, but got -1"),
        ("probe.argument=delay probe.values=[1.5]", "delay of RecallFirst must be a whole number"),
        ("env.num_symbols=7", r"expected the observation_space Discrete\(5\), but got Discrete\(8\)"),
        ("env.foo=7", "takes the arguments .*delay"),
        ("episodes=0", "episodes must be a whole number of at least 1"),
        ("deterministic=7", "deterministic must be true or false"),
        ("against=. probe.argument=delay probe.values=[4]", "leave one of them out"),
        ("device=cuda:77", "device must be one of"),
        (
            "video=true",
            "a task that draws pictures, but diagnostic/recall_first draws none .*; leave video=true out",
        ),
        ("checkpoint=lates", r"one of those of .*, best, latest, but got 'lates'; did you mean 'latest'\?"),
        (
            "probe.argument=num_symbols",
            "without probe.values tries 1, 2, 4, 8, 16, but num_symbols=1 cannot be",
        ),
        ("probe.argument=kwargs.k", r"left kwargs.k at its default, .* set probe.values=\[4,8,16\]"),
        ("probe.values=[4]", "without probe.argument"),
        ("probe.argument=num_symbols probe.values=[4,8]", r"expected the observation_space Discrete\(5\)"),
    ],
)
def test_mistakes(run, recall, tmp_path, words, pattern):
    result = run("evaluate", f"run={recall}", f"output={tmp_path / 'out'}", *words.split())
    assert_refused(result, pattern)
    assert not (tmp_path / "out").exists()


def test_video(run, tmp_path):
    pytest.importorskip("moviepy")
    pytest.importorskip("pygame")
    env = ("env=gymnasium", "env.id=CartPole-v1", f"logging.runs_dir={tmp_path}")
    result = run("train", *TINY, *env, "total_env_steps=200")
    assert result.code == 0, result.err
    evaluate(run, result.run_dir, tmp_path / "out", "video=true", "episodes=2", "num_envs=1")
    content = (tmp_path / "out" / "episode.mp4").read_bytes()
    assert content[4:8] == b"ftyp" and len(content) > 1000


def test_where_nothing_can_be_written_is_found_before_playing(run, recall, tmp_path):
    """`output` that is a file, lies below one, or holds a folder in place of a file; nothing is left behind."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "taken" / "evaluation.json").mkdir(parents=True)
    (tmp_path / "taken" / "probe_delay.png").mkdir()
    before = snapshot(tmp_path)
    for output, words in (
        ("file", ()),
        ("file/below/it", ()),
        ("taken", ()),
        ("taken", ("probe.argument=delay",)),
    ):
        result = run("evaluate", f"run={recall}", "episodes=1000000", f"output={tmp_path / output}", *words)
        assert_refused(result, r"output must be a folder that can be written to, but .*; set output=<folder>")
        assert snapshot(tmp_path) == before


def test_results_are_printed_even_if_they_cannot_be_written(tmp_path, capsys):
    (tmp_path / "evaluation.json.tmp").mkdir()
    with pytest.raises(UsageError, match=r"cannot be written to .*; they are printed above"):
        write_results(tmp_path / "evaluation.json", {"mean": 0.5})
    assert json.loads(capsys.readouterr().out)["mean"] == 0.5


def test_episodes_without_an_end_are_cut(run, tmp_path):
    """CliffWalking as registered has no limit: the run ends, says so once, and so does an evaluation of it."""
    words = [word for word in TINY if not word.startswith(("total", "num_envs"))]
    words += ["env=gymnasium", "env.id=CliffWalking-v1", "total_env_steps=450", "num_envs=4"]
    result = run("train", *words, "evaluation.max_episode_steps=30", f"logging.runs_dir={tmp_path}")
    assert result.code == 0 and result.err.count("had not ended after 30 steps") == 1, result.err
    assert "set evaluation.max_episode_steps=<more>, or null" in result.err
    rows = read_metrics(result.run_dir / "metrics.jsonl")
    assert [row["eval/episodic_length"] for row in rows if "eval/episodic_length" in row] == [30.0] * 3
    _, files = evaluate(run, result.run_dir, tmp_path / "out", "max_episode_steps=20")
    found = files["evaluation.json"]
    assert found["lengths"] == [20] * 7 and found["num_truncated"] == 7


def test_numbers_that_are_not_finite_are_one_sentence(run, tmp_path):
    """An environment that rots after 100 steps: training does not get so far."""
    modules = write_modules(tmp_path)
    env = ("env=gymnasium", "env.id=toys_package:toys/Rotten-v0")
    words = (*env, "total_env_steps=200", f"logging.runs_dir={tmp_path / 'runs'}")
    trained = run("train", *TINY, *words, path=[modules])
    assert trained.code == 0, trained.err
    options = (f"run={trained.run_dir}", "episodes=20", "num_envs=1", f"output={tmp_path / 'out'}")
    refused = run("evaluate", *options, path=[modules])
    assert_refused(
        refused, r"env.id is 'toys_package:toys/Rotten-v0': if you trust .* add allow=\[toys_package\]"
    )
    again = ("train", f"resume={trained.run_dir}", "total_env_steps=300")
    assert_refused(run(*again, path=[modules]), r"add allow=\[toys_package\]")
    # Who names the environment with the command has said so.
    for word in ("allow=[toys_package]", "env.id=toys_package:toys/Rotten-v0"):
        result = run("evaluate", *options, word, path=[modules])
        assert_refused(
            result, r"toys/Rotten-v0 gave the observation nan in episode 11 of environment 0, row 1;"
        )
    assert not (tmp_path / "out").exists()
    longer = ("evaluation.interval=200", "evaluation.episodes=50")
    result = run("train", *TINY, *words, *longer, path=[modules])
    assert result.code == 3 and len(re.findall("error: An evaluation needs finite numbers", result.err)) == 1
    assert "Traceback" not in result.err
