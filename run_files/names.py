"""The names of the text files in a run's folder."""

from __future__ import annotations

CONFIG_FILE = "config.yaml"
VERSIONS_FILE = "versions.json"
SPACES_FILE = "spaces.json"
COMMAND_FILE = "command.json"
SIZES_FILE = "sizes.json"
METRICS_FILE = "metrics.jsonl"
MANIFEST_FILE = "manifest.json"
CARD_FILE = "card.json"  # of an agent that is shared
SEARCH_FILE = "search.json"  # of a search: its configurations
CURVE_FILE = "learning_curve.png"

# What a run is, written when it begins; the configuration comes last: a folder that holds it holds all of them.
TEXT_FILES = (COMMAND_FILE, SPACES_FILE, SIZES_FILE, VERSIONS_FILE, CONFIG_FILE)
