"""What the README tells a user to type works."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
# The commands as written, but for budgets that fit a test.
SMALL = {
    "train": [
        "total_env_steps=600",
        "num_envs=8",
        "agent.rollout_length=20",
        "agent.num_epochs=1",
        "evaluation.interval=600",
        "evaluation.episodes=4",
        "evaluation.num_envs=2",
    ],
    "evaluate": ["episodes=4", "num_envs=2"],
    "analyse": ["num_envs=2", "num_rows=4"],
    "benchmark": ["cores=[mlp]", "peers=false", "lengths=[4]", "repeats=1", "acting_rows=[]"],
}


def commands():
    lines = [line for language, text in BLOCKS if language == "bash" for line in text.splitlines()]
    return [line.split("#")[0].strip() for line in lines if line.strip()]


def run(words, cwd, expected=0):
    result = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    assert result.returncode == expected, result.stderr
    return result


@pytest.fixture(scope="module")
def recall_run(tmp_path_factory):
    """A run on `diagnostic/recall_first`, for the commands that need one."""
    cwd = tmp_path_factory.mktemp("readme")
    words = ["env=diagnostic/recall_first", "core=gru", "core.hidden_size=8", *SMALL["train"]]
    run([sys.executable, "-m", "engram.scripts.train", *words], cwd)
    return next(cwd.glob("runs/diagnostic/recall_first/*/*"))


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("make")])
def test_make_targets_exist(line):
    result = run(["make", "--dry-run", *line.split("&&")[0].split()[1:]], ROOT)
    assert ".venv/bin/" in result.stdout


@pytest.mark.parametrize(
    "line", [line for line in commands() if line.startswith("engram train") and "resume" not in line]
)
def test_training_commands(line, tmp_path):
    words = line.split()[2:]
    # The README's own budget is overridden by the later word.
    names = [word.split("=")[0] for word in SMALL["train"]]
    words = [word for word in words if word.split("=")[0] not in names]
    run([sys.executable, "-m", "engram.scripts.train", *words, *SMALL["train"]], tmp_path)
    assert list(tmp_path.glob("runs/**/learning_curve.png"))


@pytest.mark.parametrize(
    "line",
    [
        line
        for line in commands()
        if "resume=" in line or line.startswith(("engram evaluate", "engram analyse"))
    ],
)
def test_commands_on_a_run(line, recall_run):
    line = re.sub(r"runs/<env>/<agent>-<core>/<seed>-<time>", str(recall_run), line)
    _, command, *words = line.split()
    small = [] if command == "train" else SMALL[command]
    names = [word.split("=")[0] for word in small]
    words = [word for word in words if word.split("=")[0] not in names]
    run([sys.executable, "-m", f"engram.scripts.{command}", *words, *small], recall_run)


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("engram plot")])
def test_comparing_commands(line, recall_run, tmp_path):
    _, command, *words = line.replace("runs=runs", f"runs={recall_run}").split()
    run([sys.executable, "-m", f"engram.scripts.{command}", *words, "resamples=100"], tmp_path)
    assert (tmp_path / "comparison" / "index.html").is_file()


def test_every_command_is_run():
    """Whatever stands in a block named bash; what takes longer than a test may stands in one named text."""
    kinds = ("make ", "engram train ", "engram evaluate ", "engram analyse ", "engram plot ")
    assert not [line for line in commands() if not line.startswith(kinds) and "engram.benchmarks" not in line]


@pytest.mark.parametrize("line", [line for line in commands() if "engram.benchmarks" in line])
def test_benchmark_commands(line, tmp_path):
    run([sys.executable, *line.split()[1:], *SMALL["benchmark"]], tmp_path)
    assert list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("index", range(sum(language == "python" for language, _ in BLOCKS)))
def test_python_examples(index, tmp_path):
    code = [text for language, text in BLOCKS if language == "python"][index]
    run([sys.executable, "-c", code.replace("total_env_steps=100_000", "total_env_steps=20_000")], tmp_path)


def test_every_option_the_readme_names_exists():
    for group, option in re.findall(r"`(core|env|agent|experiment)=(\w[\w/]*)`", README):
        assert (ROOT / "configs" / group / f"{option}.yaml").exists(), (group, option)
    table = README.split("| cores (`core=`) | |")[1].split("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", table))
    assert named == {path.stem for path in (ROOT / "configs" / "core").glob("*.yaml")}
