"""What a fresh machine installs: the versions fit together, and `make` finds a Python or says what is missing."""

import json
import re
import shutil
import stat
import subprocess
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What torch's wheels on the public index require; a CPU build requires none, and would hide a wrong pin.
TRITON_OF_TORCH = {"2.11": "3.6.0", "2.12": "3.7.0", "2.13": "3.7.1"}
# Stands in for an interpreter: answers its version, whether it will do, and makes an environment without installing.
PYTHON = """#!/bin/sh
case "$1" in
    --version) echo "Python {version}" ;;
    -c) exit {usable} ;;
    -m) mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp "$0" .venv/bin/pip ;;
    install) exit 0
esac
"""


def constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_triton_is_the_one_that_torch_requires():
    pins = constraints()
    minor = ".".join(pins["torch"].split(".")[:2])
    assert pins["triton"] == TRITON_OF_TORCH[minor]


def test_every_supported_torch_has_its_triton():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (torch,) = [line for line in project["dependencies"] if line.startswith("torch>")]
    low, high = (int(minor) for minor in re.fullmatch(r"torch>=2\.(\d+),<2\.(\d+)", torch).groups())
    assert sorted(TRITON_OF_TORCH) == [f"2.{minor}" for minor in range(low, high)]


@pytest.mark.slow  # asks the public index
@pytest.mark.parametrize("minor", TRITON_OF_TORCH)
def test_the_public_index_says_the_same(minor):
    """What the wheels of Linux themselves require, whatever build of torch this machine has."""
    try:
        wheels = read_json("https://pypi.org/simple/torch/")["files"]
        pattern = re.compile(rf"torch-{re.escape(minor)}\.0-cp311-cp311-manylinux\w*_x86_64\.whl")
        (wheel,) = [one for one in wheels if pattern.fullmatch(one["filename"])]
        with urllib.request.urlopen(wheel["url"] + ".metadata", timeout=60) as answer:
            metadata = answer.read().decode()
    except urllib.error.URLError as error:
        pytest.skip(f"the public index gives no metadata of torch {minor}.0: {error}")
    (triton,) = re.findall(r"^Requires-Dist: triton==([\d.]+)", metadata, re.MULTILINE)
    assert triton == TRITON_OF_TORCH[minor]


def read_json(url):
    asked = urllib.request.Request(url, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)


def test_makefile_asks_for_the_constraints_torch():
    asked = re.findall(r'"torch==([\d.]+)"', (ROOT / "Makefile").read_text())
    assert asked == [constraints()["torch"]]


def test_the_real_maze_is_left_out_where_labmaze_has_no_wheel():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    needs_labmaze = [line for line in extras["memory-maze"] if not line.startswith("pillow")]
    assert len(needs_labmaze) == 3 and all("python_version < '3.13'" in line for line in needs_labmaze)


@pytest.fixture
def machine(tmp_path):
    """Run `make setup` on a machine that has only the given interpreters, `name={version: usable}`."""

    def setup(*words, **interpreters):
        bin_dir = tmp_path / "bin"
        bin_dir.mkdir(exist_ok=True)
        for name, (version, usable) in interpreters.items():
            path = bin_dir / name.replace("_", ".")
            path.write_text(PYTHON.format(version=version, usable=0 if usable else 1))
            path.chmod(path.stat().st_mode | stat.S_IEXEC)
        for tool in ("sh", "mkdir", "cp", "touch", "make"):
            if not (bin_dir / tool).exists():
                (bin_dir / tool).symlink_to(shutil.which(tool))
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            (tmp_path / name).write_text((ROOT / name).read_text())
        environment = {"PATH": str(bin_dir)}
        command = ["make", "setup", *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return setup


def test_make_takes_the_first_python_that_will_do(machine):
    result = machine(python3_11=("3.11.2", False), python3_13=("3.13.0", True), python3=("3.14.0", False))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0] == "python3.13 -m venv .venv"


def test_make_takes_the_python_that_is_named_and_an_environment_that_is_there(machine):
    first = machine("PYTHON=python3.12", python3_11=("3.11.2", True), python3_12=("3.12.1", True))
    assert first.stdout.splitlines()[0] == "python3.12 -m venv .venv"
    assert "venv" not in machine("-W", "pyproject.toml").stdout.splitlines()[0].replace(".venv/", "")


def test_make_says_which_pythons_are_missing(machine):
    result = machine(python3_11=("3.11.2", False), python3=("3.10.13", False))
    assert result.returncode == 2
    missing = "python3.12 (missing); python3.13 (missing)"
    assert f"found: python3.11 (Python 3.11.2); {missing}; python3 (Python 3.10.13);" in result.stderr
