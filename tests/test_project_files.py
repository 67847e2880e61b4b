"""What people read before they try a project: its citation, templates, workflow, container and package metadata."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import engram

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
README = (ROOT / "README.md").read_text()
DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
INSTRUCTIONS = [
    tuple(line.split(maxsplit=1)) for line in DOCKERFILE.splitlines() if line and not line.startswith("#")
]
HADOLINT = shutil.which("hadolint") or shutil.which("hadolint", path=Path(sys.executable).parent)
# What the container need not hold to run every command of the README.
LEFT_OUT = {"CITATION.cff", "CONTRIBUTING.md", "Dockerfile", "mkdocs.yml"}


def pinned(package):
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{package}=="))


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what its schema requires
    assert citation["version"] == engram.__version__ == "0.2.0"
    assert citation["license"] == PROJECT["license"] == "MIT"
    assert [one["name"] for one in citation["authors"]] == [one["name"] for one in PROJECT["authors"]]


def test_classifiers_say_what_is_required():
    low, high = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups())
    of_python = {f"Programming Language :: Python :: 3.{minor}" for minor in range(low, high)}
    assert of_python == {one for one in PROJECT["classifiers"] if "Python" in one}
    assert "Typing :: Typed" in PROJECT["classifiers"] and (ROOT / "py.typed").read_text() == ""


def test_the_long_description_shows_where_there_is_no_clone():
    """It holds no picture and no link that leads to a file beside it, and its example is the README's."""
    text = (ROOT / PROJECT["readme"]).read_text()
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert not [target for target in targets if not target.startswith("https://")]
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert f"```python\n{example}```" in README  # where tests/test_readme.py runs it
    assert "<img" not in text and "![" not in text


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").iterdir()), ids=lambda p: p.name
)
def test_issue_templates_are_forms(path):
    form = yaml.safe_load(path.read_text())
    assert form["name"] and form["description"]
    ids = [part["id"] for part in form["body"]]
    assert len(ids) == len({*ids}) > 1
    assert all(part["type"] == "textarea" and part["attributes"]["label"] for part in form["body"])


def test_the_workflow_runs_the_commands_that_set_everything_up():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())
    (job,) = workflow["jobs"].values()
    ran = [step["run"].split(" PYTHON=")[0] for step in job["steps"] if "run" in step]
    (block,) = [
        text for text in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL) if "make test" in text
    ]
    assert {*ran} == {line.split("#")[0].strip() for line in block.splitlines()}
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] in ran
    minors = [
        version.rpartition("Python :: ")[2] for version in PROJECT["classifiers"] if "Python" in version
    ]
    assert job["strategy"]["matrix"]["python"] == minors
    assert not [text for text in workflow if text is True and not workflow[text]]  # YAML reads `on` as true


def test_the_container_copies_what_is_there():
    copied = {name for kind, rest in INSTRUCTIONS if kind == "COPY" for name in rest.split()[:-1]}
    top = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert copied <= top
    ignored = {line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")}
    assert not copied & ignored
    from test_layout import TOP_LEVEL

    assert copied == TOP_LEVEL - LEFT_OUT
    for kind, rest in INSTRUCTIONS:
        *sources, target = rest.split() if kind == "COPY" else ("",)
        assert kind != "COPY" or target == ("./" if len(sources) > 1 else f"{sources[0]}/")


@pytest.mark.skipif(HADOLINT is None, reason="needs hadolint (make docker-lint installs it)")
def test_the_container_breaks_no_rule_of_its_linter():
    found = subprocess.run([HADOLINT, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_the_container_is_set_up_as_the_readme_says():
    kinds = {kind for kind, _ in INSTRUCTIONS}
    assert kinds <= {"FROM", "RUN", "WORKDIR", "ARG", "ENV", "COPY", "CMD"}
    runs = [rest for kind, rest in INSTRUCTIONS if kind == "RUN"]
    assert runs[-1] == "make setup" and "\nsetup:" in (ROOT / "Makefile").read_text()
    torch = next(line for line in runs if "torch" in line)
    assert pinned("torch") in torch and f".venv/bin/pip install {pinned('torch')}" in README
    assert "python3.11 -m venv .venv" in torch and "python3.11 -m venv .venv" in README
    (base,) = [rest for kind, rest in INSTRUCTIONS if kind == "FROM"]
    assert base == "python:3.11-slim"
    (command,) = [yaml.safe_load(rest) for kind, rest in INSTRUCTIONS if kind == "CMD"]
    assert f"\n{' '.join(command)} " in README
    page = (ROOT / "docs" / "versions.md").read_text()
    shown = re.findall(r"^#   (docker .*)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert len(shown) == 4 and all(line in page for line in shown)
