"""Files of the repository that pages link to, as pages of the site."""

from __future__ import annotations

from pathlib import Path

from engram.tools.site.links import ROOT, SOURCES

_LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".cff": "yaml"}


def source_pages(page: str) -> dict[str, str]:
    """Write the page of a file, or of a folder with all that is in it.

    Args:
        page: its path in the site, `source/<path in the repository>.md`.

    Returns:
        The Markdown of it, and of all folders below it, by path in the site.
    """
    name = page.removeprefix(SOURCES).removesuffix(".md")
    path = ROOT / name
    if path.is_file():
        return {page: f"# `{name}`\n\n{_block(path)}"}
    inside = [entry for entry in sorted(path.iterdir()) if entry.name[0] not in "._"]
    folders = [entry for entry in inside if entry.is_dir()]
    links = [f"- [`{name}/{entry.name}`]({path.name}/{entry.name}.md)" for entry in folders]
    files = [f"## {entry.name}\n\n{_block(entry)}" for entry in inside if entry.is_file()]
    pages = {page: "\n\n".join([f"# `{name}`", *(["\n".join(links)] if links else []), *files])}
    for entry in folders:
        pages |= source_pages(f"{SOURCES}{name}/{entry.name}.md")
    return pages


def _block(path: Path) -> str:
    return f"~~~~~~ {_LANGUAGES.get(path.suffix, 'text')}\n{path.read_text()}~~~~~~\n"
