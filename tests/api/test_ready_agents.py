"""The agents that lie in docs/agents_ready are pulled, and score in other episodes what their cards say."""

from pathlib import Path

import pytest

import engram
from engram.run_files.agent_card import read_card

READY = sorted((Path(__file__).resolve().parents[2] / "docs" / "agents_ready").iterdir())
PAGE = (READY[0].parents[1] / "sharing.md").read_text()
# What an agent without memory reaches at most.
CHANCE = {
    "diagnostic/recall_first": -0.5,
    "popgym/repeat_previous_easy": -0.4,
    "minigrid/memory_s7": 0.7,
    "diagnostic/bandit": 5.9,
    "tvt/key_to_door": 23.0,
    "memory_gym/mortar_mayhem": 0.05,
}


@pytest.mark.parametrize("folder", READY, ids=lambda folder: folder.name)
def test_a_ready_agent_scores_what_its_card_says(folder, tmp_path):
    card = read_card(folder)
    pulled = engram.pull(folder, tmp_path / "pulled")
    found = pulled.evaluate(episodes=100, num_envs=20, seed=7)
    both = (card.standard_error**2 + found["standard_error"] ** 2) ** 0.5
    assert abs(found["mean"] - card.mean) <= 2 * both
    assert found["mean"] > CHANCE.get(card.task, 0)
    assert f"| [`{folder.name}`](agents_ready/{folder.name}/README.md) | `{card.task}` |" in PAGE
    assert f"| {card.mean:.3f} |" in PAGE


def test_ready_agents_are_small():
    for folder in READY:
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 4_000_000
