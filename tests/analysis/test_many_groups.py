"""Figures of many groups stay readable."""

import matplotlib.pyplot as plt
import pytest

from engram.analysis import figures


def document_of(num_groups):
    """A comparison of one task by so many groups, each of which improves on those before it."""
    groups = [f"core {index:02}" for index in range(num_groups)]
    pairs = [
        {"group": one, "other": other, "value": 0.25, "low": None, "high": None}
        for index, one in enumerate(groups)
        for other in groups[index + 1 :]
    ]
    curve = {"x": [0, 1], "value": [0.0, 1.0], "low": None, "high": None, "runs": [1, 1]}
    return {
        "groups": groups,
        "controls": [],
        "chance": {},
        "improvement": pairs,
        "x": "env_steps",
        "settings": {"label": "training return", "score": "mmer", "x_scale": "linear"},
        "curves": {"env_steps": {"task": {group: curve for group in groups}}},
    }


@pytest.mark.parametrize("num_groups", [2, 12, 41])
def test_a_legend_lies_below_the_panels(num_groups):
    figure = figures.draw_curves(document_of(num_groups))
    figure.canvas.draw()
    (legend,) = figure.legends
    top = legend.get_window_extent().transformed(figure.transFigure.inverted()).y1
    labels = [axes.xaxis.label.get_window_extent() for axes in figure.axes]
    assert top <= min(label.transformed(figure.transFigure.inverted()).y0 for label in labels) + 0.02
    panel = figure.axes[0].get_window_extent()
    assert panel.height > 100  # pixels
    plt.close(figure)


def test_long_names_leave_room_for_the_intervals(recwarn):
    document = document_of(2)
    for pair in document["improvement"]:
        pair["group"] = pair["other"] = "gru · reconstruction.coef=0 · self_prediction.coef=0"
    figure = figures.draw_improvement(document)
    figure.canvas.draw()
    assert not recwarn.list
    assert figure.axes[0].get_window_extent().width > 1.5 * figure.dpi
    plt.close(figure)


def test_few_pairs_are_a_list_and_many_a_matrix():
    few, many = (figures.draw_improvement(document_of(number)) for number in (10, 11))
    assert few.axes[0].get_yticklabels()[0].get_text() == "core 00  over  core 01"
    (image,) = many.axes[0].images
    values = image.get_array()
    assert values.shape == (11, 11) and values[0, 1] == 0.25 and values[1, 0] == 0.75
    assert values.mask.diagonal().all()
    plt.close(few)
    plt.close(many)
