"""Pictures of little: a sentence where there is nothing, a dot where there is one point, and titles above all."""

import html
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import yaml
from PIL import Image
from synthetic_runs import write_run

from engram.analysis import run_figures as figures
from engram.analysis.compare import compare
from engram.analysis.figures import draw_curves, save
from engram.analysis.page import make_page
from engram.analysis.runs import read_run
from engram.analysis.settings import Settings
from engram.analysis.style import look
from engram.benchmarks.core_figure import draw_core_times
from engram.run_files.run_command import asked_for, command_text


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved, still open."""
    kept = []
    monkeypatch.setattr(plt, "close", kept.append)
    yield kept
    monkeypatch.undo()
    plt.close("all")


def learning_curve(folder, rows):
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert figures.draw_learning_curve(folder, "title").read_bytes().startswith(b"\x89PNG")


def test_a_run_without_returns_says_so(drawn, tmp_path):
    learning_curve(tmp_path, [{"env_steps": 640, "losses/policy": 0.1}, {"env_steps": 1280}])
    (axes,) = drawn[0].axes
    (sentence,) = axes.texts
    assert sentence.get_text().startswith("In 1,280 environment steps no episode ended")
    assert axes.get_legend() is None and not axes.lines and axes.get_xlim()[0] == 0


def test_a_run_without_a_line_says_so(drawn, tmp_path):
    learning_curve(tmp_path, [])
    assert drawn[0].axes[0].texts[0].get_text().startswith("In 0 environment steps")


def test_a_single_point_is_a_dot(drawn, tmp_path):
    learning_curve(tmp_path, [{"env_steps": 64, "charts/episodic_return": 0.5}])
    learning_curve(tmp_path, [{"env_steps": 64 * i, "charts/episodic_return": 0.5} for i in (1, 2)])
    learning_curve(tmp_path, [{"env_steps": 64, "eval/episodic_return": 0.5, "eval/standard_error": None}])
    one, two, evaluated = (figure.axes[0] for figure in drawn)
    assert one.lines[0].get_marker() == "o" and two.lines[0].get_marker() in ("", "None")
    assert [text.get_text() for text in evaluated.get_legend().get_texts()] == ["evaluation, mean ± s.e."]
    assert all(not axes.texts for axes in (one, two, evaluated))


def test_times_of_cores_have_their_title_above_every_panel(drawn, tmp_path):
    names = [f"core{index}" for index in range(9)] + ["nn.LSTM"]
    panels = {family: {name: [(32, 1e-3)] for name in names} for family in ("scan", "loop", "cache")}
    draw_core_times(tmp_path / "times.png", "forward and backward", panels | {"slow": {}}, {"nn.LSTM"})
    (figure,) = drawn
    title = figure._suptitle.get_window_extent()
    labels = [axes.title.get_window_extent() for axes in figure.axes]
    assert title.y0 > max(label.y1 for label in labels) and title.y1 <= figure.bbox.y1
    lines = figure.axes[0].lines
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines}
    assert len(looks) == len(names)
    assert [line.get_label() for line in lines if line.get_linestyle() == "--"] == ["nn.LSTM"]
    assert figure.axes[3].texts[0].get_text() == "nothing was measured within the budget"


def marked(axes):
    """The places of dots."""
    return [x for line in axes.lines if line.get_marker() == "." for x in np.atleast_1d(line.get_xdata())]


def test_a_report_marks_single_points_and_where_runs_end(tmp_path):
    write_run(tmp_path, "mlp", seed=0, returns=(0.5,))
    write_run(tmp_path, "gru", seed=0, returns=(0.1, 0.2, 0.3))
    write_run(tmp_path, "gru", seed=1, returns=(0.1, 0.2, 0.3, 0.4, 0.5))
    runs = [read_run(folder.parent) for folder in sorted(tmp_path.rglob("config.yaml"))]
    document = compare(runs, [], Settings(points=5, resamples=100)) | {"x": "env_steps"}
    figure = draw_curves(document)
    assert marked(figure.axes[0]) == [3000, 1000]
    plt.close(figure)


def test_chance_and_the_control_are_in_every_curve(tmp_path):
    for core in ("gru", "s5", "mlp"):
        for env in ("popgym/repeat_previous_easy", "diagnostic/recall_first"):
            write_run(tmp_path, core, env)
    runs = [read_run(folder.parent) for folder in sorted(tmp_path.rglob("config.yaml"))]
    document = compare(runs, [], Settings(points=5, resamples=100)) | {"x": "env_steps"}
    figure = draw_curves(document)
    for axes, level in zip(figure.axes, (-0.5, -0.496), strict=True):
        (dotted,) = [line for line in axes.lines if line.get_linestyle() == ":"]
        assert dotted.get_ydata()[0] == level
        curves = [line for line in axes.lines if len(line.get_xdata()) == 5 and line.get_marker() != "."]
        assert [line.get_color() for line in curves] == ["#0072B2", "#D55E00", "#666666"]
        assert curves[2].is_dashed()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["gru", "s5", "mlp", "chance"]
    plt.close(figure)


def test_a_runs_own_curve_has_its_line_of_chance(drawn, tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"env_steps": 64, "charts/episodic_return": 0.5}\n')
    figures.draw_learning_curve(tmp_path, "title", -0.496)
    curve = {"x": [0, 1], "value": [0.0, 1.0], "low": None, "high": None}
    figures.draw_seeds(tmp_path / "seeds.png", "title", {"training episodes": curve}, -0.5)
    labels = [[text.get_text() for text in figure.axes[0].get_legend().get_texts()] for figure in drawn]
    assert labels == [["training episodes", "chance, -0.496"], ["training episodes", "chance, -0.5"]]


NAMES = ["$$", "$x$ y", "$\\frac{$", "{{data}}", "{{script}}", "<b>&amp;"]


def test_names_with_dollars_and_braces_are_text(tmp_path):
    """Matplotlib looks for formulas between two dollars, and fails where there is none; pages fill in braces."""
    (tmp_path / "metrics.jsonl").write_text('{"env_steps": 1, "charts/episodic_return": 1}\n')
    figures.draw_learning_curve(tmp_path, "$$")
    points = [{"value": 1, "mean": 0.5, "standard_error": None}]
    figures.draw_probe(tmp_path / "probe.png", "kwargs.$\\frac{$", None, points)
    runs = []
    for seed, name in enumerate(NAMES):
        folder = write_run(tmp_path / "runs", seed=seed, name=str(seed))
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config |= {"core": config["core"] | {"_target_": f"a.{name}"}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        (folder / "command.json").write_text(command_text(asked_for([], {"core": "custom"})))
        runs.append(read_run(folder))
    document = compare(runs, [], Settings(resamples=100, points=2)) | {"x": "env_steps"}
    assert set(document["groups"]) == set(NAMES)
    assert [path.name for path in save(draw_curves(document), tmp_path / "curves")] == [
        "curves.png",
        "curves.svg",
    ]
    title, rest = make_page(document | {"command": "", "configurations": []}).split("</title>")
    assert html.escape("{{data}}") in title and "<b>" not in title and "<b>&amp;" not in rest


def test_where_there_is_a_control_nothing_else_is_grey():
    document = {"groups": [*"abcdefg", "mlp"], "controls": ["mlp"]}
    assert [look(document, index).colour for index in (4, 5, 6, 7)] == [
        "#A87700",
        "#3A95CC",
        "#0072B2",
        "#666666",
    ]
    assert look(document | {"controls": []}, 5).colour == "#666666"
    assert len({look(document, index) for index in range(8)}) == 8


def test_a_title_of_long_names_says_how_many_they_are():
    parts = {"command": "", "configurations": [], "controls": [], "chance": {}}
    names = ["gru · reconstruction.coef=0 · self_prediction.coef=0", "gru · reconstruction.coef=1"]
    assert "<h1>Comparison of gru, s5</h1>" in make_page(parts | {"groups": ["gru", "s5"]})
    assert "<h1>Comparison of 4 groups</h1>" in make_page(parts | {"groups": names * 2})


def test_many_rows_are_drawn_in_fewer_pixels(tmp_path):
    """Two hundred dots an inch are more than Matplotlib has for 1,225 pairs of fifty groups."""
    figure = plt.figure(figsize=(0.5, 420))
    png, _ = save(figure, tmp_path / "long")
    with Image.open(png) as picture:
        assert 50_000 < picture.height < 2**16
