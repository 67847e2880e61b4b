"""Links of the repository's pages, as they lead within the site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Pages that lie outside of `docs/`, by their path in the repository."""
SOURCES = "source/"
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^(```+|~~~+).*?^\1`*$", flags=re.MULTILINE | re.DOTALL)


def links_of(markdown: str) -> list[str]:
    """The targets of all links and pictures outside of code blocks, as they are written."""
    return _LINK.findall(_FENCED.sub("", markdown))


def with_site_links(markdown: str, origin: str, page: str) -> str:
    """Let the links of a page lead to where their targets lie in the site.

    Args:
        markdown: the page, as it lies in the repository.
        origin: its path in the repository.
        page: its path in the site.
    """
    return _outside_code(
        markdown, lambda text: _LINK.sub(lambda found: f"]({_moved(found[1], origin, page)})", text)
    )


def site_path(target: str, origin: str) -> str | None:
    """Say where in the site a link leads.

    Args:
        target: of a link, as it is written.
        origin: path in the repository of the page that it stands on.

    Returns:
        The path in the site, without what stands behind `#`; None for an address of the web and for a place on the
        same page. A file outside of `docs/` has a page of its own below `source/`.
    """
    name = target.partition("#")[0]
    if not name or re.match(r"[a-z]+:", name):
        return None
    path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), name))
    if path in PAGES:
        return PAGES[path]
    if not path.startswith("docs/"):
        return f"{SOURCES}{path}.md"
    path = path.removeprefix("docs/")
    if (ROOT / "docs" / path).is_dir():
        path += f"/{_entry(ROOT / 'docs' / path)}"
    return f"{path.removesuffix('.ipynb')}.md" if path.endswith(".ipynb") else path


def _moved(target: str, origin: str, page: str) -> str:
    path = site_path(target, origin)
    if path is None:
        return target
    _, hash_mark, anchor = target.partition("#")
    return f"{posixpath.relpath(path, posixpath.dirname(page) or '.')}{hash_mark}{anchor}"


def _entry(folder: Path) -> str:
    """What a folder of the docs is opened by."""
    names = ("index.html", "README.md", "runs.zip")
    return next(name for name in names if (folder / name).exists())


def _outside_code(markdown: str, change: Callable[[str], str]) -> str:
    parts, end = [], 0
    for block in _FENCED.finditer(markdown):
        parts += [change(markdown[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, change(markdown[end:])])
