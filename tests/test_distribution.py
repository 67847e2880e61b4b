"""What would be uploaded: built from a clean copy as `python -m build` does, valid, and typed for who installs it."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import engram

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = """
import engram
from engram.memory_cores import GRU

core = GRU(input_size=4, hidden_size=8)
reveal_type(engram.__version__)
reveal_type(core.output_size)
reveal_type(engram.load("runs"))
engram.Run(3)
"""

pytestmark = pytest.mark.slow


def run(words, **options):
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    return result.returncode, result.stdout + result.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The archive of the sources and the wheel that is built from it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in tracked.stdout.splitlines():
        if not name.startswith(("docs/reports", "docs/images")) and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    code, said = run([sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source])
    assert code == 0, said
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def test_twine_finds_no_fault(built):
    code, said = run([sys.executable, "-m", "twine", "check", "--strict", *built])
    assert code == 0 and said.count("PASSED") == 2, said


def test_both_hold_the_mark_of_types_and_the_long_description(built):
    archive, wheel = built
    with tarfile.open(archive) as sources:
        names = {name.partition("/")[2] for name in sources.getnames()}
    assert {"py.typed", "docs/package.md", "configs/train.yaml", "memory_cores/cores/s5.py"} <= names
    with zipfile.ZipFile(wheel) as files:
        (metadata,) = [name for name in files.namelist() if name.endswith("METADATA")]
        text = files.read(metadata).decode()
        assert "engram/py.typed" in files.namelist()
    assert f"\nVersion: {engram.__version__}\n" in text and "Classifier: Typing :: Typed" in text
    assert text.endswith((ROOT / "docs" / "package.md").read_text())


def test_a_file_outside_is_checked_by_its_types(built, tmp_path):
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = (venv / "lib").glob("python*/site-packages")
    with zipfile.ZipFile(built[1]) as files:
        files.extractall(site)
    borrowed = [path for path in sys.path if path.endswith("-packages")]
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    (tmp_path / "outside.py").write_text(OUTSIDE)
    words = [sys.executable, "-m", "mypy", "--config-file=", "--ignore-missing-imports", "outside.py"]
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "MYPYPATH")}
    _, said = run([*words, "--python-executable", venv / "bin" / "python"], cwd=tmp_path, env=environment)
    lines = [line for line in said.splitlines() if line.startswith("outside.py")]
    kinds = ['"str"', '"int"', "Agent", "incompatible type"]
    assert len(lines) == 4 and all(kind in line for kind, line in zip(kinds, lines, strict=True)), said
