"""The leaderboard of docs/leaderboard is what `engram leaderboard` makes of the archives in docs/reports."""

import json
import re
from pathlib import Path

from engram.api.leaderboard import make_leaderboard

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "docs" / "leaderboard"


def compared(text):
    """A page or tables without the style, and without what is missing: a new core or task changes that alone."""
    text = re.sub("<style>.*?</style>", "", text, flags=re.DOTALL)
    return re.sub(
        r'(?:## |<h2 id="missing-title">)What is missing.*?How to read it', "", text, flags=re.DOTALL
    )


def test_the_published_leaderboard_is_what_the_command_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    kept = sorted((PUBLISHED / "submissions").glob("*.zip"))
    named = [f"submission=[{','.join(map(str, kept))}]"] if kept else []
    document = make_leaderboard([f"output={tmp_path}", *named]).document
    assert document["skipped"] == [] and document["runs"] > 300
    again, published = (
        json.loads((folder / "leaderboard.json").read_text()) | {"command": "", "coverage": []}
        for folder in (tmp_path, PUBLISHED)
    )
    assert again == published, "say engram leaderboard"
    assert (tmp_path / "leaderboard.csv").read_text() == (PUBLISHED / "leaderboard.csv").read_text()
    for name in ("tables.md", "index.html") if not kept else ("tables.md",):
        mine, theirs = (compared((folder / name).read_text()) for folder in (tmp_path, PUBLISHED))
        assert "What is missing" not in mine and len(mine) > 10_000
        assert mine == theirs, "say engram leaderboard"
