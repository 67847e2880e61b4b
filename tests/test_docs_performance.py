"""The tables of speed are those of the measurements that are there."""

import pytest

from engram.benchmarks.steps import stages
from engram.common.errors import UsageError
from engram.tools.document_cores import with_tables
from engram.tools.document_performance import (
    BEGIN,
    DOCS,
    END,
    PAGE,
    SECTIONS,
    main,
    make_tables,
    read_documents,
)

PPO = {
    "config": {
        "core": {"_target_": "engram.memory_cores.S5"},
        "num_envs": 1024,
        "agent": {"rollout_length": 128, "precision": "bfloat16"},
    },
    "results": {"engram": {"env_steps_per_second": 12345.6, "seconds": {"collect": 0.5, "update": 1.25}}},
    "ratios": {"engram / floor": 1.5},
}
DOCUMENT = {
    "config": {"threads": 1},
    "versions": {"torch": "2.13.0", "python": "3.12.1", "git_commit": None},
    "commit": "0123456789abcdef",
    "cuda": {"name": "a card"},
    "load_average": [1.0, 2.0],
    "steps": [{"rc": 0}, {"rc": 1}],
    "results": {"ppo_s5": PPO, "cores": {"versions": {"git_commit": "fedcba98765"}}},
}


def test_a_line_for_what_was_measured_and_a_word_for_what_was_not():
    tables = make_tables({"CPU": None, "CUDA": DOCUMENT})
    assert "| CUDA | S5 | 1,024 x 128 | bfloat16 | 12,346 | 500 | 1,250 | 1.50 |" in tables
    assert "| CUDA | a card | 2.13.0 | 3.12.1 | `0123456789`, `fedcba9876` | 1.0, 2.0 | 1 of 2 |" in tables
    assert tables.count("| CPU | not measured on CPU yet |") == 1 + len(SECTIONS)
    assert tables.count("| CUDA | not measured on CUDA yet |") == len(SECTIONS) - 1


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_every_section_is_of_a_step(section):
    assert any(step.name.startswith(section.steps) for stage in stages("cpu") for step in stage)


def test_the_page_holds_the_measurements():
    page = PAGE.read_text()
    tables = make_tables(read_documents(DOCS))
    assert page == with_tables(page, tables, BEGIN, END), "run python -m engram.tools.document_performance"


def test_it_takes_no_options():
    with pytest.raises(UsageError, match="takes no options"):
        main(["output=x"])
