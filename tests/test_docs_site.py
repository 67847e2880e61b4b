"""The site: every page is in its navigation, every public name in its reference, and every link leads somewhere."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from engram.tools.site.links import links_of, site_path, with_site_links
from engram.tools.site.reference import PAGES, reference_pages
from engram.tools.site.sources import source_pages

ROOT = Path(__file__).resolve().parents[1]
TABS = "Start Train Tasks Cores Agents Analyse Compare Deploy Scale Reference".split()


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml without making what it names."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)


def configuration():
    return yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)


def pages_in(nav):
    for entry in nav if isinstance(nav, list) else [nav]:
        if isinstance(entry, dict):
            for inside in entry.values():
                yield from pages_in(inside)
        else:
            yield entry


def test_the_navigation_names_every_page_once():
    nav = configuration()["nav"]
    assert [name for entry in nav for name in entry] == TABS
    written = {path.name for path in (ROOT / "docs").glob("*.md")} - {"package.md"}
    notebooks = {f"notebooks/{path.stem}.md" for path in (ROOT / "docs" / "notebooks").glob("*.ipynb")}
    outside = {"index.md", "changelog.md", "contributing.md", "leaderboard/tables.md"}
    found = list(pages_in(nav))
    assert len(found) == len(set(found))
    assert set(found) == written | notebooks | outside | set(reference_pages())
    assert len(notebooks) == 2


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("POPGym", "https://github.com/proroklab/popgym"),
        ("Memory Maze", "https://github.com/jurgisp/memory-maze"),
    ],
)
def test_what_others_made_is_linked_on_every_page_that_names_it(name, address):
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    without_link = []
    for page in pages:
        text = page.read_text()
        prose = re.sub(
            r"```.*?```|`[^`\n]*`|^#.*$|<!-- table.*?<!-- end", "", text, flags=re.DOTALL | re.MULTILINE
        )
        if page.name != "package.md" and name in prose and address not in text:
            without_link.append(page.name)
    assert not without_link


def test_every_reference_to_a_paper_is_defined_on_its_page():
    texts = {page: page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}
    definition = re.compile(r"^\[([^\]]+)\]: https://", flags=re.MULTILINE)
    names = {name for text in texts.values() for name in definition.findall(text)}
    assert {"POPGym", "Smith et al. 2023"} <= names
    undefined = {
        (page.name, name)
        for page, text in texts.items()
        for name in names - {*definition.findall(text)}
        if re.search(rf"\[{re.escape(name)}\](?!\(|\])", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    }
    assert not undefined


def test_no_address_is_invented():
    assert "site_url" not in configuration() and "repo_url" not in configuration()


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_the_reference_shows_every_public_name(page):
    shown = [name for group in page.groups for name in group.names]
    assert len(shown) == len(set(shown))
    package = importlib.import_module(page.package)
    assert {name for name in shown if "." not in name} == set(package.__all__)


def test_every_core_stands_with_its_family():
    from engram import memory_cores

    families = {"Scan": "scan", "Matrix": "matrix", "Loop": "loop", "Cache": "cache"}
    for group in PAGES["cores"].groups:
        if group.title in families:
            found = {name: getattr(memory_cores, name).card.family for name in group.names}
            assert set(found.values()) == {families[group.title]}, found


@pytest.mark.parametrize(
    ("target", "origin", "expected"),
    [
        ("docs/cores.md", "README.md", "cores.md"),
        ("configs", "README.md", "source/configs.md"),
        ("../README.md", "docs/python.md", "index.md"),
        ("../configs/core", "docs/cores.md", "source/configs/core.md"),
        ("reports/t_maze", "docs/agents.md", "reports/t_maze/index.html"),
        ("reports/pendulum", "docs/agents.md", "reports/pendulum/runs.zip"),
        ("your_own.ipynb", "docs/notebooks/first_agent.md", "notebooks/your_own.md"),
        ("../analysis.md", "docs/notebooks/first_agent.md", "analysis.md"),
        ("https://example.org/a", "README.md", None),
        ("#scan", "docs/cores.md", None),
    ],
)
def test_where_a_link_leads_in_the_site(target, origin, expected):
    assert site_path(target, origin) == expected


def test_links_move_but_for_those_in_code():
    code = "```python\nx = y[0](docs/cores.md)\n```\n"
    page = f"See [a](docs/cores.md#scan), ![b](docs/images/x.png).\n\n{code}[c](LICENSE)\n"
    moved = f"See [a](cores.md#scan), ![b](images/x.png).\n\n{code}[c](source/LICENSE.md)\n"
    assert with_site_links(page, "README.md", "index.md") == moved
    assert links_of(page) == ["docs/cores.md#scan", "docs/images/x.png", "LICENSE"]
    assert (
        with_site_links("[a](../../CHANGELOG.md)", "docs/notebooks/x.md", "notebooks/x.md")
        == "[a](../changelog.md)"
    )


def test_a_folder_that_is_linked_is_shown_with_all_that_is_in_it():
    pages = source_pages("source/configs.md")
    assert {"source/configs.md", "source/configs/core.md", "source/configs/experiment.md"} <= set(pages)
    assert "hidden_size: 256" in pages["source/configs/core.md"]
    assert "- [`configs/core`](configs/core.md)" in pages["source/configs.md"]


def build(config, site):
    words = [sys.executable, "-m", "mkdocs", "build", "--config-file", config, "--site-dir", site]
    return subprocess.run([str(word) for word in words], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_the_site_is_built(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    result = build(ROOT / "mkdocs.yml", tmp_path)
    assert result.returncode == 0 and not re.search(r"^WARNING", result.stderr, re.MULTILINE), result.stderr
    for name in (
        "index",
        "cores",
        "notebooks/your_own",
        "changelog",
        "source/configs/core",
        "reports/t_maze/index",
    ):
        assert (tmp_path / f"{name}.html").is_file(), name
    agents = (tmp_path / "reference" / "agents.html").read_text()
    assert 'id="engram.agents.PPO"' in agents and "clip_range" in agents
    for path in tmp_path.rglob("*.html"):
        assert "| --- |" not in re.sub(r"<code.*?</code>", "", path.read_text(), flags=re.DOTALL), path


@pytest.mark.slow
@pytest.mark.parametrize("target", ["nowhere.md", "cores.md#nowhere"])
def test_a_link_that_leads_nowhere_is_an_error(target, tmp_path):
    pytest.importorskip("mkdocs")
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, text in (("index.md", f"# A\n\n[b]({target})\n"), ("cores.md", "# B\n")):
        (docs / name).write_text(text)
    values = {
        key: value for key, value in configuration().items() if key in ("site_name", "strict", "validation")
    }
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump({**values, "docs_dir": "docs"}))
    result = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert result.returncode != 0 and "nowhere" in result.stderr
    shutil.rmtree(docs)
