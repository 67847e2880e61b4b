"""What MkDocs calls while it builds the site (`hooks` in mkdocs.yml)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File

from engram.common import option_types
from engram.common.say import say
from engram.tools.site.links import PAGES, ROOT, SOURCES, links_of, site_path, with_site_links
from engram.tools.site.notebooks import notebook_page
from engram.tools.site.reference import TYPES, reference_pages
from engram.tools.site.sources import source_pages

# The packages whose names the reference shows, and those from which they come.
READ = ("agents", "api", "common", "envs", "instruments", "memory_cores", "training")


@event_priority(100)  # before mkdocstrings looks for it
def on_config(config: Any) -> None:
    """Lay the code where mkdocstrings reads it, without what else may lie in a checkout, such as a .venv."""
    target = ROOT / "build" / "reference" / "engram"
    shutil.rmtree(target, ignore_errors=True)
    for package in READ:
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "__init__.py", target)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that do not lie in `docs/`: README, changelog, reference, notebooks, and files that are linked."""
    origins = {file.src_uri: f"docs/{file.src_uri}" for file in files.documentation_pages()}
    texts = {page: (ROOT / origin).read_text() for page, origin in origins.items()}
    new: dict[str, str | bytes] = {}
    for origin, page in PAGES.items():
        origins[page] = origin
        new[page] = texts[page] = (ROOT / origin).read_text()
    for notebook in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        page = f"notebooks/{notebook.stem}.md"
        origins[page] = f"docs/{page}"
        texts[page], pictures = notebook_page(notebook, page)
        new |= {page: texts[page], **pictures}
    for page, text in texts.items():
        for target in links_of(text):
            path = site_path(target, origins[page])
            if path and path.startswith(SOURCES) and path not in new:
                new |= source_pages(path)
    new |= reference_pages()
    for page, content in new.items():
        files.append(File.generated(config, page, content=content))
    config.extra["origins"] = origins
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Let links lead to where things lie in the site."""
    origin = config.extra["origins"].get(page.file.src_uri)
    return markdown if origin is None else with_site_links(markdown, origin, page.file.src_uri)


def on_page_content(html: str, page: Any, config: Any, **_: Any) -> None:
    """Let types in signatures lead to the page that says what they mean."""
    if page.file.src_uri == TYPES:
        for heading in page.toc.items[0].children:
            name = f"{option_types.__name__}.{heading.title}"
            config.plugins["autorefs"].register_anchor(page, name, heading.id, primary=True)


def on_post_build(config: Any) -> None:
    """Say how to open what was built."""
    say(f"built: {Path(config.site_dir) / 'index.html'}; to search it: mkdocs serve")
