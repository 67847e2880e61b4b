"""What a run was made with: versions of packages and code, and the device."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

import torch

_PACKAGES = ("torch", "tensordict", "gymnasium", "popgym", "numpy", "hydra-core", "engram-rl")


def versions(device: str) -> dict[str, str]:
    """Versions of the packages, the code and the device; nothing that names the machine."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    found["git_commit"] = _git_commit()
    found["device"] = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    return found


def _git_commit() -> str:
    """The commit of the checkout this code lies in, or `unknown` outside one."""
    command = [
        "git",
        "-C",
        str(Path(__file__).resolve().parent),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
    ]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
