"""Notebooks, with the outputs they hold, as Markdown; nothing is executed."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path


def notebook_page(path: Path, page: str) -> tuple[str, dict[str, bytes]]:
    """Write a notebook as a page.

    Args:
        path: of the notebook.
        page: the page's path in the site.

    Returns:
        Its Markdown, and its pictures by their path in the site.
    """
    from nbconvert import MarkdownExporter

    text, resources = MarkdownExporter().from_filename(str(path))
    folder = f"{Path(page).stem}_files"
    pictures = {}
    for name, data in resources["outputs"].items():
        pictures[posixpath.join(posixpath.dirname(page), folder, name)] = data
        text = text.replace(f"]({name})", f"]({folder}/{name})")
    return _fenced(text), pictures


def _fenced(text: str) -> str:
    """Printed outputs as blocks: indented by four spaces Markdown takes them for code of an unknown language."""

    def block(found: re.Match[str]) -> str:
        lines = [line[4:] for line in found[0].strip("\n").split("\n")]
        if not any(lines):  # what stands around a picture
            return "\n\n"
        return "\n\n~~~ text\n" + "\n".join(lines).strip("\n") + "\n~~~\n\n"

    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    outputs = re.compile(r"\n\n((?:    .*\n|\n)*    .*\n?)")
    return "".join(part if part.startswith("```") else outputs.sub(block, part) for part in parts)
