"""Benchmarks from a copy of the repository on a machine where nothing may be installed.

    python tools/bare_copy.py --download .wheels                       # with a network
    python tools/bare_copy.py --wheels .wheels all device=cuda         # without one

The copy may have any name. The machine's Python has torch for its card and the usual scientific packages (EXPECTED);
wheels of what else it lacks are carried along in a folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# None of them brings needs of its own: each is named.
CARRIED = (
    "tensordict",
    "torchrl",
    "gymnasium",
    "popgym",
    "mazelib",
    "hydra-core",
    "omegaconf",
    "antlr4-python3-runtime==4.9.3",
    "farama-notifications",
    "pyvers",
    "orjson",
    "importlib_metadata",
    "labmaze",
    "pydantic",
    "pydantic-core",
    "annotated-types",
    "typing-inspection",
    "hoptorch",
)
# What that Python has, with all that these need.
EXPECTED = (
    *("torch", "triton", "numba", "scipy", "matplotlib", "tensorboard", "rich", "safetensors", "filelock"),
    *("cloudpickle", "cython", "pyyaml", "zipp", "pytest"),
)
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (17, 24, 27, 28)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux1_x86_64"]


def main(words: Sequence[str] | None = None) -> int:
    """Get the wheels, or run a benchmark with them; returns its exit code."""
    parser = argparse.ArgumentParser(description="A benchmark from a copy that is not installed.")
    parser.add_argument("--download", type=Path, help="get the wheels into this folder, and do nothing else")
    parser.add_argument("--python", default="3.12", help="of the other machine, for --download")
    parser.add_argument("--wheels", type=Path, help="folder of wheels of what this Python lacks")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="of `python -m engram.benchmarks`")
    options = parser.parse_args(words)
    if options.download is not None:
        download(options.download, options.python)
        return 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        road, site = Path(folder, "road"), Path(folder, "site")
        road.mkdir()
        (road / "engram").symlink_to(ROOT)  # the root of the copy, whatever its name, is the package `engram`
        if options.wheels is not None:
            unpack(options.wheels, site)
        paths = [str(road), str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        command = [sys.executable, "-m", "engram.benchmarks", *options.words]
        return subprocess.run(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}).returncode


def download(folder: Path, python: str) -> None:
    """Get the wheels for a Python on x86-64 Linux, in the versions of constraints.txt where it names them."""
    pip = [sys.executable, "-m", "pip"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    for name in CARRIED:
        wanted = f"{name}=={pins[name]}" if name in pins else name
        if name.startswith("antlr4"):  # published as sources alone, and pure Python
            command = [*pip, "wheel", "-q", "--no-deps", "-w", str(folder), wanted]
        else:
            command = [*pip, "download", "-q", "--no-deps", "--only-binary=:all:", "--python-version", python]
            command += [word for platform in PLATFORMS for word in ("--platform", platform)]
            command += ["-d", str(folder), wanted]
        subprocess.run(command, check=True)


def unpack(wheels: Path, site: Path) -> None:
    """Unpack the wheels into a folder of their own."""
    found = sorted(map(str, wheels.glob("*.whl")))
    if not found:
        raise SystemExit(
            f"--wheels must be a folder of wheels, but {wheels} holds none; get them with --download."
        )
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*command, "--no-cache-dir", "--target", str(site), *found], check=True)


if __name__ == "__main__":
    sys.exit(main())
