"""Composing options: what an environment alone knows."""

import pytest

from engram.command_line.config import compose_config
from engram.common.errors import UsageError


@pytest.mark.parametrize(
    ("words", "kwargs"),
    [
        (["env.kwargs.num_layouts=8"], {"num_layouts": 8}),
        (["env.kwargs={num_layouts: 8}"], {"num_layouts": 8}),
        (
            ["env.kwargs={num_layouts: 8}", "env.kwargs.layout_seed=3"],
            {"num_layouts": 8, "layout_seed": 3},
        ),
        (["++env.kwargs.num_layouts=8"], {"num_layouts": 8}),
    ],
)
def test_options_of_an_environment_need_no_plus(words, kwargs):
    config = compose_config("train", ["env=memory_maze/tiny", *words])
    assert config.values["env"]["kwargs"] == kwargs


def test_other_options_must_exist():
    with pytest.raises(UsageError, match=r"'env\.kwarg' does not; did you mean 'env\.kwargs'"):
        compose_config("train", ["env=memory_maze/tiny", "env.kwarg=8"])


def test_a_composition_leaves_nothing_for_the_next():
    words = ["env=diagnostic/recall_first", "core=s5"]
    before = compose_config("train", words)
    assert (
        compose_config("train", [*words, "env.delay=77", "core.hidden_size=8"]).values["env"]["delay"] == 77
    )
    assert compose_config("train", words) == before
