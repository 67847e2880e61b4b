"""The leaderboard of docs/leaderboard is what `engram leaderboard` makes of the archives in docs/reports."""

import json
import re
from pathlib import Path

from engram.api.leaderboard import make_leaderboard

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "docs" / "leaderboard"


def without_style(page):
    return re.sub("<style>.*?</style>", "", page, flags=re.DOTALL)


def test_the_published_leaderboard_is_what_the_command_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    kept = sorted((PUBLISHED / "submissions").glob("*.zip"))
    named = [f"submission=[{','.join(map(str, kept))}]"] if kept else []
    document = make_leaderboard([f"output={tmp_path}", *named]).document
    assert document["skipped"] == [] and document["runs"] > 300
    again = json.loads((tmp_path / "leaderboard.json").read_text())
    published = json.loads((PUBLISHED / "leaderboard.json").read_text())
    assert again | {"command": ""} == published | {"command": ""}, "say engram leaderboard"
    for name in ("leaderboard.csv", "tables.md"):
        assert (tmp_path / name).read_text() == (PUBLISHED / name).read_text(), "say engram leaderboard"
    if not kept:
        page = (tmp_path / "index.html").read_text()
        assert without_style(page) == without_style((PUBLISHED / "index.html").read_text())
