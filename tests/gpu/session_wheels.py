"""Wheels of what a machine with torch and the usual scientific packages still lacks, carried along in a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
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
)
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (17, 24, 27, 28)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux1_x86_64"]


def download(folder: Path, python: str) -> None:
    """Get the wheels for a Python on x86-64 Linux, in the versions of constraints.txt where it names them."""
    pip = [sys.executable, "-m", "pip"]
    pins = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    for name in CARRIED:
        wanted = f"{name}=={pins[name]}" if name in pins else name
        if name.startswith("antlr4"):  # published as sources alone, and pure Python
            command = [*pip, "wheel", "-q", "--no-deps", "-w", str(folder), wanted]
        else:
            command = [*pip, "download", "-q", "--no-deps", "--only-binary=:all:", "--python-version", python]
            command += [word for platform in PLATFORMS for word in ("--platform", platform)]
            command += ["-d", str(folder), wanted]
        subprocess.run(command, check=True)


def install(wheels: Path, site: Path) -> None:
    """Unpack the wheels into a folder of their own."""
    found = sorted(map(str, wheels.glob("*.whl")))
    if not found:
        raise SystemExit(
            f"--wheels must be a folder of wheels, but {wheels} holds none; get them with --download."
        )
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*command, "--no-cache-dir", "--target", str(site), *found], check=True)
