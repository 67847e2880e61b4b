"""The part of the pretended device that torch asks for in C++, built on demand beside this file.

It must be there before torch is imported: torch asks for the device's hooks once, at its import.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "guard.cpp"
FOLDER = HERE / "build"


class NoGuardError(RuntimeError):
    """The guard cannot be had on this machine."""


@functools.cache
def load_guard() -> ModuleType:
    """Build the guard if there is none for this interpreter and torch, and import it.

    Raises:
        NoGuardError: with a CUDA build of torch, without a compiler, and where the compiler fails.
    """
    if "torch" in sys.modules:
        raise NoGuardError("the pretended CUDA device must be loaded before torch is imported")
    root, version = _torch()
    if version.cuda is not None:
        raise NoGuardError("a CUDA build of torch has a device's guard of its own: pretend with a CPU build")
    key = (SOURCE.read_text(), version.__version__, sysconfig.get_config_var("SOABI"))
    path = FOLDER / f"guard-{hashlib.sha256(' '.join(key).encode()).hexdigest()[:16]}.so"
    if not path.exists():
        _build(path, root)
    return _import(path, "guard")


def _torch() -> tuple[Path, ModuleType]:
    """Where torch lies, and its module of versions."""
    spec = importlib.util.find_spec("torch")
    assert spec is not None and spec.origin is not None
    root = Path(spec.origin).parent
    return root, _import(root / "version.py", "torch_version")


def _import(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _build(path: Path, root: Path) -> None:
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise NoGuardError("the pretended CUDA device needs a C++ compiler: install g++ or clang++")
    python = sysconfig.get_paths()["include"]
    temporary = path.with_name(f"{path.name}.{os.getpid()}")  # several workers may build at once
    command = [compiler, "-std=c++20", "-O1", "-shared", "-fPIC"]
    command += [f"-I{root}/include", f"-I{root}/include/torch/csrc/api/include", f"-I{python}", str(SOURCE)]
    command += ["-o", str(temporary), f"-L{root}/lib", "-lc10", "-ltorch_cpu", f"-Wl,-rpath,{root}/lib"]
    try:
        FOLDER.mkdir(exist_ok=True)
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise NoGuardError(f"the pretended CUDA device's guard cannot be built: {error}") from error
    if done.returncode != 0:
        raise NoGuardError(f"the pretended CUDA device's guard cannot be built: {done.stderr[-2000:]}")
    temporary.replace(path)
