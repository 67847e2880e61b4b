"""Processes that gloo joins are one run: what threads show quickly, with what is used outside of tests."""

import pytest
from ranked_runs import assert_same, train_alone, train_ranked
from test_ranked_training import words_of

pytestmark = pytest.mark.slow
KINDS = ("ppo", "impala", "r2d2", "world model")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A run of each kind by one process and by two, and one that two began and three end."""
    folder = tmp_path_factory.mktemp("gloo")
    for kind in KINDS:
        train_alone(*words_of(kind, folder / f"{kind} by one"))
    totals = {kind: 320 if kind in ("r2d2", "world model") else 960 for kind in KINDS}
    begun = {kind: ["total_env_steps=200", f"schedule_env_steps={totals[kind]}"] for kind in KINDS}
    train_ranked(
        2,
        *(words_of(kind, folder / f"{kind} by two") for kind in KINDS),
        *([*words_of(kind, folder / f"{kind} by many"), *begun[kind]] for kind in KINDS),
    )
    for kind in KINDS:
        train_alone(f"resume={folder}/{kind} by many", "total_env_steps=260")
    words = [[f"resume={folder}/{kind} by many", f"total_env_steps={totals[kind]}"] for kind in KINDS]
    train_ranked(3, *words)
    return folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", ["two", "many"])
def test_processes_are_one_run(folders, kind, number):
    assert_same(folders / f"{kind} by one", folders / f"{kind} by {number}")
