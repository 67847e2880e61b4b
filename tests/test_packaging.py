"""The wheel holds everything a run needs, and works where there is no checkout."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Benchmarks and tools come with a clone alone.
PACKAGES = (
    *("common", "memory_cores", "envs", "run_files", "agents", "training", "analysis", "instruments"),
    *("command_line", "api", "scripts", "configs"),
)
TINY = (
    "core=lstm core.hidden_size=16 env=diagnostic/recall_first threads=1 num_envs=4 total_env_steps=200 "
    "agent.rollout_length=16 agent.num_minibatches=2 evaluation.interval=100 evaluation.episodes=4 "
    "evaluation.num_envs=2"
)
NAMES = [f"engram.{name}" for name in PACKAGES]
WHERE = f"import importlib as i, json; print(json.dumps({{n: i.import_module(n).__file__ for n in {NAMES}}}))"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the sources, so that no build folder is left in the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in (*PACKAGES, "__init__.py", "py.typed", "pyproject.toml", "LICENSE", "docs"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(out), "."]
    if has_setuptools():
        command.append("--no-build-isolation")
    subprocess.run(command, cwd=source, check=True)
    (found,) = out.glob("*.whl")
    return found


def has_setuptools():
    """Whether this environment can build the wheel itself: the licence field needs setuptools 77."""
    try:
        import setuptools
    except ImportError:
        return False
    return int(setuptools.__version__.split(".")[0]) >= 77


@pytest.fixture(scope="module")
def bin_dir(wheel, tmp_path_factory):
    """The commands of a fresh virtual environment with the wheel in it; all else it borrows from this one."""
    venv = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = venv / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)], check=True)
    borrowed = [path for path in sys.path if path.endswith("-packages")]
    (site,) = (venv / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    return venv / "bin"


def call(*command, cwd):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)


def test_contents(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f"engram/{path.relative_to(ROOT).as_posix()}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".yaml", ".html", ".css", ".js")
    }
    assert expected <= names
    extra = {name for name in names - expected if ".dist-info/" not in name}
    assert extra == {"engram/__init__.py", "engram/py.typed"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"engram", next(top for top in tops if top.endswith(".dist-info"))}


def test_the_packages_are_the_installed_ones(bin_dir, tmp_path):
    result = call(bin_dir / "python", "-c", WHERE, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (site,) = (bin_dir.parent / "lib").glob("python*/site-packages")
    found = json.loads(result.stdout)
    assert found == {f"engram.{name}": str(site / "engram" / name / "__init__.py") for name in PACKAGES}


def test_the_command_trains_and_evaluates(bin_dir, tmp_path):
    # Folders of the user's own, and other people's packages, may have any name but Engram's.
    (site,) = (bin_dir.parent / "lib").glob("python*/site-packages")
    for place in (tmp_path, site):
        for name in ("agents", "envs", "configs", "scripts", "memory_cores"):
            (place / name).mkdir(exist_ok=True)
            (place / name / "__init__.py").write_text("raise ImportError('another package')")
    trained = call(bin_dir / "engram", "train", *TINY.split(), cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    (run_dir,) = (tmp_path / "runs" / "diagnostic" / "recall_first" / "ppo-lstm").iterdir()
    assert (run_dir / "learning_curve.png").exists()
    versions = json.loads((run_dir / "versions.json").read_text())
    assert versions["engram-rl"] and versions["git_commit"] == "unknown"
    evaluated = call(bin_dir / "engram", "evaluate", f"run={run_dir}", "episodes=4", cwd=tmp_path)
    assert evaluated.returncode == 0 and "over 4 episodes" in evaluated.stdout, evaluated.stderr
    benchmark = call(bin_dir / "engram", "benchmark", "scan", cwd=tmp_path)
    assert benchmark.returncode == 2 and "come with a clone" in benchmark.stderr
    wrong = call(bin_dir / "engram", "trian", cwd=tmp_path)
    assert wrong.returncode == 2 and "train" in wrong.stderr


FIVE_LINES = """
import engram
run = engram.train(core="gru", env="diagnostic/recall_first", num_envs=8, total_env_steps=2_000)
folder = run.agent.save("remembers")
agent = engram.load(folder)
print(agent.num_updates, engram.Run(folder).evaluate(episodes=4, num_envs=2)["episodes"], agent.player().act(0))
"""


def test_five_lines_train_save_and_load(bin_dir, tmp_path):
    (tmp_path / "five.py").write_text(FIVE_LINES)
    result = call(bin_dir / "python", "five.py", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    updates, episodes, action = map(int, result.stdout.split())
    assert updates > 0 and episodes == 4 and 0 <= action < 4
    assert {path.name for path in tmp_path.iterdir()} == {"five.py", "runs", "remembers"}
    (run_dir,) = (tmp_path / "runs" / "diagnostic" / "recall_first" / "ppo-gru").iterdir()
    assert (run_dir / "learning_curve.png").exists()
    described = call(bin_dir / "python", "-c", "import engram.agents; help(engram.agents.PPO)", cwd=tmp_path)
    assert (
        "clip_range: float = 0.2" in described.stdout and "clip of the probability ratio" in described.stdout
    )
