"""Comparing runs: what is found, what is skipped by name, the numbers, and what the reader is told."""

import csv
import json
import re

import matplotlib.pyplot as plt
import pytest
from synthetic_runs import plot, row_of, write_comparison, write_run

from engram.analysis.figures import draw_curves
from engram.analysis.style import dashes
from engram.common.colours import COLOURS, DARK_COLOURS, colour
from run_files import assert_refused


def test_everything_is_written(run, tmp_path):
    write_comparison(tmp_path / "runs")
    words = (f"runs={tmp_path / 'runs'}", f"output={tmp_path / 'out'}", "resamples=200")
    result = run("plot", *words)
    assert result.code == 0, result.err
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    figures = ("curves", "aggregates", "profiles", "improvement")
    assert names == {"index.html", "results.json", "scores.csv"} | {
        f"figures/{name}.{kind}" for name in figures for kind in ("png", "svg")
    }
    assert all(str(tmp_path / "out" / name) in result.out for name in names)
    for path in (tmp_path / "out" / "figures").glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page
    assert "{{" not in page


def test_runs_that_have_no_steps_in_common(run, tmp_path):
    """One was stopped before the other's first evaluation: there is no area to compare, and the rest is told."""
    write_run(tmp_path / "runs", "gru", returns=(0.1, 0.2), evaluations=(0.1, 0.2), every=100)
    write_run(tmp_path / "runs", "mlp", returns=(0.3, 0.4), evaluations=(0.3, 0.4), every=1000)
    result, document = plot(run, tmp_path / "runs", tmp_path / "out", "episodes=evaluation")
    assert row_of(document, "gru")["area"] is None and "gru" in result.out
    assert row_of(document, "mlp")["area"]["value"] == pytest.approx(0.3)


def test_the_numbers(run, tmp_path):
    write_comparison(tmp_path / "runs")
    _, document = plot(run, tmp_path / "runs", tmp_path / "out")
    assert document["groups"] == ["gru", "mlp"] and document["notes"] == [] and document["skipped"] == []
    assert [task["end"] for task in document["tasks"]] == [4000, 4000]
    row = row_of(document, "gru")
    assert row["seeds"] == 5
    assert row["mmer"]["value"] == pytest.approx(0.52)
    assert row["mmer"]["standard_deviation"] == pytest.approx(0.0158, abs=1e-4)
    assert row["area"]["value"] == pytest.approx(0.52 * 0.625)
    assert row["final_evaluation"]["value"] == pytest.approx(0.57)
    assert 0.50 <= row["mmer"]["low"] < 0.52 < row["mmer"]["high"] <= 0.54
    assert document["aggregates"]["mlp"]["mean"]["value"] == pytest.approx(0.42)
    assert document["aggregates"]["mlp"]["optimality_gap"]["value"] == pytest.approx(0.58)
    (pair,) = document["improvement"]
    assert (pair["group"], pair["other"], pair["value"]) == ("gru", "mlp", 1.0)
    curves = document["curves"]["env_steps"]
    assert set(curves) == {"all tasks", "popgym/repeat_previous_easy", "popgym/autoencode_easy"}
    curve = curves["popgym/autoencode_easy"]["gru"]
    assert curve["x"] == pytest.approx([1000, 1750, 2500, 3250, 4000])
    assert curve["value"] == pytest.approx([0.52 * share for share in (0.25, 0.4375, 0.625, 0.8125, 1)])
    seconds = document["curves"]["wall_clock"]["all tasks"]["mlp"]["x"]
    assert seconds == pytest.approx([3, 5.25, 7.5, 9.75, 12])


def test_places_on_a_logarithmic_axis(run, tmp_path):
    write_comparison(tmp_path / "runs")
    words = (
        f"runs={tmp_path / 'runs'}",
        f"output={tmp_path / 'out'}",
        "x_scale=log",
        "points=3",
        "resamples=200",
    )
    assert run("plot", *words).code == 0
    document = json.loads((tmp_path / "out" / "results.json").read_text())
    curve = document["curves"]["env_steps"]["popgym/autoencode_easy"]["gru"]
    assert curve["x"] == pytest.approx([1000, 2000, 4000])
    assert curve["value"] == pytest.approx([0.52 * share for share in (0.25, 0.5, 1)])
    figure = draw_curves(document)
    assert {axes.get_xscale() for axes in figure.axes} == {"log"}
    plt.close(figure)


def test_raw_scores_as_csv(run, tmp_path):
    write_comparison(tmp_path / "runs", seeds=2)
    plot(run, tmp_path / "runs", tmp_path / "out")
    with (tmp_path / "out" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    first = next(row for row in rows if row["core"] == "mlp" and row["seed"] == "1")
    assert float(first["mmer"]) == pytest.approx(0.41) and float(first["seconds"]) == 12
    assert first["parameters"] == "12345" and first["carry_bytes"] == "512"
    assert first["env_steps"] == "4000" and first["agent"] == "ppo" and first["device"] == "cpu"


def test_runs_with_missing_or_damaged_files_are_skipped_by_name(run, tmp_path):
    runs = tmp_path / "runs"
    write_comparison(runs, seeds=2)
    damage = {
        "no-versions": lambda folder: (folder / "versions.json").unlink(),
        "no-metrics": lambda folder: (folder / "metrics.jsonl").unlink(),
        "no-config": lambda folder: (folder / "config.yaml").unlink(),
        "bad-versions": lambda folder: (folder / "versions.json").write_text('{"python": '),
        "bad-sizes": lambda folder: (folder / "sizes.json").write_text("[1]"),
        "no-numbers": lambda folder: (folder / "sizes.json").write_text('{"parameters": "many"}'),
        "bad-config": lambda folder: (folder / "config.yaml").write_bytes(b"agent: [\xff"),
        "half-config": lambda folder: (folder / "config.yaml").write_text("seed: 1\n"),
        "bad-line": lambda folder: (folder / "metrics.jsonl").write_text('{"env_steps": 1}\nx\n{}\n'),
        "no-steps": lambda folder: (folder / "metrics.jsonl").write_text('{"a": 1}\n'),
        "backwards": lambda folder: (folder / "metrics.jsonl").write_text(
            '{"env_steps": 2}\n{"env_steps": 1}\n'
        ),
        "words": lambda folder: (folder / "metrics.jsonl").write_text('{"env_steps": 1, "a": "b"}\n'),
        "empty": lambda folder: (folder / "metrics.jsonl").write_text(""),
        "no-returns": lambda folder: (folder / "metrics.jsonl").write_text('{"env_steps": 1}\n'),
    }
    for name, harm in damage.items():
        harm(write_run(runs, seed=7, name=name))
    result, document = plot(run, runs, tmp_path / "out")
    reasons = {one["name"].rpartition("/")[2]: one["reason"] for one in document["skipped"]}
    assert reasons.keys() == damage.keys()
    for name, part in {
        "no-versions": "versions.json missing",
        "no-metrics": "metrics.jsonl missing",
        "no-config": "config.yaml missing",
        "bad-versions": "versions.json is damaged",
        "bad-sizes": "sizes.json is damaged",
        "no-numbers": "sizes.json is damaged",
        "half-config": "has no agent",
        "bad-line": "line 2 is not JSON",
        "no-steps": "line 1 has no number of env_steps",
        "backwards": "line 2 has fewer env_steps",
        "words": "no number under a",
        "empty": "no line yet",
        "no-returns": "no charts/episodic_return",
    }.items():
        assert part in reasons[name], reasons[name]
    for one in document["skipped"]:
        assert f"skipped: {one['name']}: {one['reason']}" in result.out
    page = (tmp_path / "out" / "index.html").read_text()
    assert all(name in page for name in damage)
    assert row_of(document, "gru")["seeds"] == 2


def test_sizes_stand_in_the_tables(run, tmp_path):
    """Runs without sizes are compared, and named; sizes that differ within a group are not shown as one."""
    runs = tmp_path / "runs"
    write_comparison(runs, cores=("gru", "lstm", "mlp"), tasks=("autoencode_easy",))
    result, document = plot(run, runs, tmp_path / "whole")
    row = row_of(document, "gru", "popgym/autoencode_easy")
    assert (row["parameters"], row["carry_bytes"]) == (12_345, 512) and document["notes"] == []
    assert re.search(r"gru +5 .* 12,345 +512\n", result.out)
    for folder in sorted((runs / "popgym/autoencode_easy/ppo-mlp").iterdir())[:2]:
        (folder / "sizes.json").unlink()
    for folder in (runs / "popgym/autoencode_easy/ppo-lstm").iterdir():
        sizes = {"parameters": 10_000 + int(folder.name[0]), "carry_bytes_per_env": 64}
        (folder / "sizes.json").write_text(json.dumps(sizes))
    result, document = plot(run, runs, tmp_path / "partly")
    row = row_of(document, "lstm", "popgym/autoencode_easy")
    assert (row["parameters"], row["carry_bytes"]) == (None, 64)
    assert row_of(document, "mlp", "popgym/autoencode_easy")["parameters"] is None
    assert re.search(
        r"note: .*ppo-mlp/0-\S+ and 1 more have no sizes.json: no number of parameters", result.out
    )


def test_a_line_cut_off_while_being_written_is_no_damage(run, tmp_path):
    folder = write_run(tmp_path / "runs")
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"env_steps": 50')
    _, document = plot(run, tmp_path / "runs", tmp_path / "out")
    assert document["skipped"] == [] and document["runs"][0]["env_steps"] == 4000


def test_few_seeds_are_warned_of(run, tmp_path):
    write_comparison(tmp_path / "runs", cores=("gru",), tasks=("autoencode_easy",), seeds=3)
    write_run(tmp_path / "runs", "mlp", "popgym/autoencode_easy")
    result, document = plot(run, tmp_path / "runs", tmp_path / "out")
    assert "note: gru on popgym/autoencode_easy has 3 runs: intervals of fewer than 5 seeds" in result.out
    assert "note: mlp on popgym/autoencode_easy has one run: there is no interval" in result.out
    write_run(tmp_path / "runs", "s5", "popgym/autoencode_easy")
    result, document = plot(run, tmp_path / "runs", tmp_path / "out")
    assert "note: mlp, s5 on popgym/autoencode_easy each have one run: there is no interval" in result.out
    row = row_of(document, "mlp", "popgym/autoencode_easy")
    assert row["mmer"]["low"] is None and row["mmer"]["standard_deviation"] is None
    assert document["curves"]["env_steps"]["popgym/autoencode_easy"]["mlp"]["low"] is None


def test_five_seeds_of_a_single_task(run, tmp_path):
    write_comparison(tmp_path / "runs", tasks=("autoencode_easy",))
    _, document = plot(run, tmp_path / "runs", tmp_path / "out", "aggregate=iqm")
    assert document["notes"] == [] and list(document["curves"]["env_steps"]) == ["popgym/autoencode_easy"]
    row = row_of(document, "gru", "popgym/autoencode_easy")
    assert row["mmer"]["value"] == pytest.approx(0.52)
    found = [document[key] for key in ("aggregated_tasks", "aggregates", "profiles", "improvement")]
    assert found == [[], {}, {}, []]


def test_one_run_of_each_group_is_not_aggregated(run, tmp_path):
    """Two of one group are; the note is gone then."""
    note = "Every group has one run of a task: there are no aggregates over tasks; train several seeds."
    write_comparison(tmp_path / "runs", seeds=1)
    result, document = plot(run, tmp_path / "runs", tmp_path / "out")
    assert document["aggregates"] == {} and document["improvement"] == [] and f"note: {note}" in result.out
    assert list(document["curves"]["env_steps"]) == ["popgym/autoencode_easy", "popgym/repeat_previous_easy"]
    assert document["chance"] == {"popgym/autoencode_easy": -0.503, "popgym/repeat_previous_easy": -0.496}
    write_run(tmp_path / "runs", seed=1)
    _, document = plot(run, tmp_path / "runs", tmp_path / "out")
    assert len(document["aggregated_tasks"]) == 2 and note not in document["notes"]


def test_the_line_of_chance(run, tmp_path):
    """Of training and of evaluations in other environments; of several tasks together; given for those not known."""
    easy, first = "popgym/repeat_previous_easy", "diagnostic/recall_first"
    for seed in (0, 1):
        write_run(tmp_path / "runs", seed=seed, evaluations=(0.1,))
        words = ("evaluation.env.num_symbols=8",)
        write_run(tmp_path / "runs", env=first, seed=seed, evaluations=(0.1,), words=words)
    _, document = plot(run, tmp_path / "runs", tmp_path / "out")
    assert document["chance"] == {first: -0.5, easy: -0.496, "all tasks": pytest.approx(-0.498)}
    _, document = plot(
        run, tmp_path / "runs", tmp_path / "out", "episodes=evaluation", f"chance={{{easy}: -0.3}}"
    )
    assert document["chance"] == {first: -0.75, easy: -0.3, "all tasks": pytest.approx(-0.525)}
    write_run(tmp_path / "own", env="gymnasium", words=("env.id=CartPole-v1",))
    _, document = plot(run, tmp_path / "own", tmp_path / "out")
    assert document["chance"] == {}
    _, document = plot(run, tmp_path / "own", tmp_path / "out", "chance={CartPole-v1: 22.3, Other-v0: 1}")
    assert document["chance"] == {"CartPole-v1": 22.3}


def test_a_control_stands_last(run, tmp_path):
    write_comparison(tmp_path / "runs", cores=("s5", "mlp", "gru"), seeds=1)
    _, document = plot(run, tmp_path / "runs", tmp_path / "out")
    assert document["groups"] == ["gru", "s5", "mlp"] and document["controls"] == ["mlp"]
    _, document = plot(run, tmp_path / "runs/popgym/*/ppo-mlp", tmp_path / "out")
    assert document["groups"] == ["mlp"] and document["controls"] == []


def test_the_same_run_twice_is_no_further_evidence(run, tmp_path):
    write_run(tmp_path / "runs", seed=1, returns=(0.1, 0.2), name="1-a")
    write_run(tmp_path / "runs", seed=1, returns=(0.1, 0.2, 0.3), name="1-b", words=("threads=2",))
    _, document = plot(run, tmp_path / "runs", tmp_path / "out")
    (skipped,) = document["skipped"]
    assert skipped["name"].endswith("1-a") and "same configuration and seed as" in skipped["reason"]
    assert row_of(document, "gru")["seeds"] == 1


def test_environments_with_other_arguments_are_other_tasks(run, tmp_path):
    for delay in (3, 8):
        write_run(
            tmp_path / "runs",
            env="diagnostic/recall_first",
            words=(f"env.delay={delay}",),
            name=str(delay),
        )
    _, document = plot(run, tmp_path / "runs", tmp_path / "out")
    names = [task["name"] for task in document["tasks"]]
    assert names == ["diagnostic/recall_first delay=3", "diagnostic/recall_first delay=8"]


def test_cores_are_known_outside_the_usual_folders_too(run, tmp_path):
    for core in ("s5", "r2i", "lstm"):
        write_run(tmp_path / core, core).rename(tmp_path / f"trial-{core}")
    _, document = plot(run, tmp_path / "trial-*", tmp_path / "out")
    assert document["groups"] == ["lstm", "r2i", "s5"]


def test_aggregates_leave_out_what_cannot_be_compared(run, tmp_path):
    write_comparison(tmp_path / "runs", seeds=2)
    write_run(tmp_path / "runs", "gru", "popgym/count_recall_easy")
    for core in ("gru", "mlp"):
        words = ("env.id=CartPole-v1",)
        write_run(tmp_path / "runs", core, "gymnasium", returns=(20, 500), words=words)
    result, document = plot(run, tmp_path / "runs", tmp_path / "out")
    tasks = ["popgym/autoencode_easy", "popgym/repeat_previous_easy"]
    assert document["aggregated_tasks"] == tasks
    assert "popgym/count_recall_easy is left out of the aggregates over tasks: no runs of mlp" in result.out
    assert (
        "CartPole-v1 is left out of the aggregates over tasks: its training return has no known bounds"
        in result.out
    )
    _, document = plot(run, tmp_path / "runs", tmp_path / "out", "bounds={CartPole-v1: [0,1000]}")
    assert document["aggregated_tasks"] == [*tasks, "CartPole-v1"]
    expected = (0.5 + 0.505 + 0.505) / 3
    assert document["aggregates"]["gru"]["mean"]["value"] == pytest.approx(expected)


def test_without_times_there_is_no_wall_clock_curve(run, tmp_path):
    write_run(tmp_path / "runs", seconds=None)
    result, document = plot(run, tmp_path / "runs", tmp_path / "out", "x=wall_clock")
    assert "has no times in its metrics" in result.out
    assert document["curves"]["wall_clock"]["popgym/repeat_previous_easy"]["gru"] is None
    assert document["runs"][0]["seconds"] is None


def test_evaluation_returns_and_other_scores(run, tmp_path):
    write_run(tmp_path / "runs", evaluations=(0.1, 0.7, 0.5), seed=0)
    write_run(tmp_path / "runs", evaluations=(), seed=1)
    words = ("episodes=evaluation", "score=final_evaluation")
    _, document = plot(run, tmp_path / "runs", tmp_path / "out", *words)
    assert [one["reason"] for one in document["skipped"]] == ["no eval/episodic_return in its metrics"]
    row = row_of(document, "gru")
    assert row["mmer"]["value"] == 0.7 and row["final_evaluation"]["value"] == 0.5
    for seed in (0, 1):
        write_run(tmp_path / "runs", env="popgym/autoencode_easy", evaluations=(0.1, 0.3), seed=seed)
    _, document = plot(run, tmp_path / "runs", tmp_path / "out", *words)
    assert document["aggregates"]["gru"]["mean"]["value"] == pytest.approx(0.4)


def test_a_run_without_the_score_has_no_part_in_aggregates(run, tmp_path):
    write_run(tmp_path / "runs", seed=0, evaluations=())
    for seed in (1, 2):
        write_run(tmp_path / "runs", seed=seed, evaluations=(0.1 * seed,))
    result, document = plot(run, tmp_path / "runs", tmp_path / "out", "score=final_evaluation")
    assert "has no final_evaluation.\n" in result.out and document["aggregates"] == {}
    for seed in (1, 2):
        write_run(tmp_path / "runs", env="popgym/autoencode_easy", seed=seed, evaluations=(0.1 * seed,))
    result, document = plot(run, tmp_path / "runs", tmp_path / "out", "score=final_evaluation")
    assert "has no final_evaluation, and no part in the aggregates" in result.out
    aggregates = document["aggregates"]["gru"]
    assert aggregates["iqm"]["value"] == pytest.approx(0.15) == aggregates["mean"]["value"]
    assert aggregates["iqm"]["low"] == pytest.approx(0.1) and aggregates["iqm"]["high"] == pytest.approx(0.2)
    assert row_of(document, "gru")["final_evaluation"] is None


def test_epochs_are_averaged_before_the_maximum(run, tmp_path):
    write_run(tmp_path / "runs", returns=(0.0, 1.0, 0.4, 0.4))
    _, document = plot(run, tmp_path / "runs", tmp_path / "out", "epoch_env_steps=2000")
    assert row_of(document, "gru")["mmer"]["value"] == pytest.approx(0.5)


def test_a_maze_is_called_by_its_name(run, tmp_path):
    write_run(tmp_path / "runs", env="memory_maze/tiny", words=("env.kwargs.image_size=32",))
    _, document = plot(run, tmp_path / "runs", tmp_path / "out")
    assert [task["name"] for task in document["tasks"]] == ["memory_maze/tiny"]
    assert "env=memory_maze/tiny" in document["configurations"][0]["command"]


def test_help_and_the_engram_command(run):
    result = run("plot", "--help")
    assert result.code == 0 and "usage: engram plot" in result.out and "runs: ???" in result.out
    from engram.scripts.cli import COMMANDS

    assert "plot" in COMMANDS


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        ("output=out", "runs has no default"),
        ("runs=nowhere", "nowhere does not exist"),
        ("runs=.", r"run folders in them, but \. holds none"),
        ("runs=here", "none of 1 is .*metrics.jsonl"),
        ("runs=here aggregate=mode", "aggregate must be one of mean, iqm, but got 'mode'"),
        ("runs=here x=time", "x must be one of env_steps, wall_clock"),
        ("runs=here x_scale=log2", "x_scale must be one of linear, log"),
        ("runs=here score=best", "score must be one of mmer, area, final_evaluation"),
        ("runs=here resamples=10", "resamples must be a whole number of at least 100"),
        ("runs=here confidence=2", "confidence must be a number between 0 and 1"),
        ("runs=here bounds={a:[1,0]}", "bounds must be a mapping of tasks"),
        ("runs=here chance={a:b}", "chance must be a mapping of tasks to returns"),
        ("runs=here metrik=iqm", "did you mean 'metric'"),
        ("runs=here group=[]", "group must be"),
        ("runs=here output=here/config.yaml/x", "output must be a folder that can be written to"),
        ("runs=good group=core.depth", "no run has 'core.depth'"),
    ],
)
def test_mistakes(run, tmp_path, words, pattern):
    if "runs=." not in words.split():
        (tmp_path / "here").mkdir()
        (tmp_path / "here" / "config.yaml").write_text("seed: 0\n")
        write_run(tmp_path / "good")
    assert_refused(run("plot", *words.split(), cwd=tmp_path), pattern)


def luminance(colour):
    """WCAG 2's relative luminance of `#RRGGBB`."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_lines_stand_out_from_their_ground():
    for shade in COLOURS:
        assert 1.05 / (luminance(shade) + 0.05) >= 3, shade
    for shade in DARK_COLOURS:
        assert (luminance(shade) + 0.05) / (luminance("#14171b") + 0.05) >= 3, shade
    looks = {(colour(index), dashes(index)) for index in range(35)}
    assert len(looks) == 35
