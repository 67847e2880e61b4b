"""The layout of the code: who may import whom, what lies where, and that everything public is described."""

import ast
import graphlib
import importlib
import inspect
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "common": {"common"},
    "memory_cores": {"memory_cores", "common"},
    "envs": {"envs", "common"},
    "run_files": {"run_files", "common"},
    "agents": {"agents", "memory_cores", "run_files", "common"},
    "training": {"training", "agents", "memory_cores", "envs", "run_files", "common"},
    "analysis": {"analysis", "envs", "run_files", "common"},
    "instruments": {"instruments", "agents", "memory_cores", "analysis", "envs", "run_files", "common"},
    "command_line": {"command_line", "training", "agents", "envs", "run_files", "common", "configs"},
    "api": {
        *("api", "command_line", "instruments", "analysis", "training", "agents", "memory_cores", "envs"),
        *("run_files", "common"),
    },
    "scripts": {
        *("scripts", "api", "command_line", "instruments", "analysis", "training", "agents", "memory_cores"),
        *("envs", "run_files", "common", "configs", "benchmarks"),
    },
    "tools": {
        "tools",
        "scripts",
        "command_line",
        "agents",
        "memory_cores",
        "envs",
        "common",
        "configs",
        "run_files",
    },
    "benchmarks": {
        *("benchmarks", "tools", "scripts", "api", "command_line", "instruments", "analysis", "training"),
        *("agents", "memory_cores", "envs", "run_files", "common", "configs"),
    },
    "configs": set(),
}
PACKAGES = tuple(name for name in MAY_IMPORT if name != "configs")
# These read configurations; all others know nothing of them.
READ_CONFIGS = ("command_line", "scripts", "tools", "benchmarks")
TOP_LEVEL = {*PACKAGES, "configs", "tests", "docs"} | {
    "__init__.py",
    "pyproject.toml",
    "README.md",
    "Makefile",
    "LICENSE",
    "CHANGELOG.md",
    "constraints.txt",
    "py.typed",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "Dockerfile",
    "mkdocs.yml",
}


def source_files(package):
    return sorted((ROOT / package).rglob("*.py"))


def imported(source):
    """The modules that a module's source imports, anywhere in it and by any means."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            is_ours = node.module == "engram"
            yield from (f"engram.{alias.name}" for alias in node.names) if is_ours else [node.module]


def violations(package, source):
    """What a module of `package` imports though it may not."""
    modules = set(imported(source))
    names = {module.split(".")[0] for module in modules}
    ours = {module.split(".")[1] for module in modules if module.startswith("engram.")}
    wrong = (ours - MAY_IMPORT[package]) | (names & {*PACKAGES, "configs", "tests"})
    return wrong | (names & {"hydra", "omegaconf"} if package not in READ_CONFIGS else set())


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package):
    files = source_files(package)
    assert files
    wrong = {path.name: found for path in files if (found := violations(package, path.read_text()))}
    assert not wrong


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("memory_cores", "from engram.agents import load"),
        ("envs", "def f():\n    import engram.memory_cores.base"),
        ("agents", "from engram import envs"),
        ("agents", "from engram.envs.make import make_gymnasium"),
        ("agents", "from engram.envs.driver import Driver"),
        ("agents", "from engram.scripts.faults.errors import run"),
        ("envs", "from omegaconf import OmegaConf"),
        ("envs", "import envs.make"),
    ],
)
def test_a_wrong_import_would_be_found(package, line):
    assert violations(package, line)


def test_no_circle_of_imports():
    """Not even of imports that only a type checker reads."""
    modules = {}
    for package in PACKAGES:
        for path in source_files(package):
            parts = path.relative_to(ROOT).with_suffix("").parts
            modules[".".join(["engram", *(part for part in parts if part != "__init__")])] = path
    graph = {}
    for name, path in modules.items():
        found = {
            f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in modules else node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        graph[name] = found & modules.keys()
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert set(order) == modules.keys()


@pytest.mark.parametrize(
    ("package", "absent"),
    [
        (
            "memory_cores",
            # Whoever takes a core alone waits for no simulator and no compiler, and needs none.
            {"gymnasium", "popgym", "hydra", "omegaconf", "matplotlib", "engram.envs", "engram.agents"}
            | {"torchrl", "numba", "engram.memory_cores.scan.cuda"},
        ),
        ("agents", {"popgym", "hydra", "omegaconf", "matplotlib", "scipy", "engram.envs", "engram.training"}),
        ("envs", {"popgym", "hydra", "omegaconf", "matplotlib", "scipy", "memory_maze", "engram.agents"}),
    ],
)
def test_a_package_loads_only_what_it_needs(package, absent):
    code = f"import sys, engram.{package}; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not absent & set(found.stdout.split())


def test_nothing_is_imported_by_name_in_a_string():
    """`importlib` reaches what the AST does not show: only for names that users or configurations give."""
    users = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in source_files(package)
        if "import_module(" in path.read_text()
    }
    assert users <= {
        "agents/stored/build.py",
        "agents/stored/buildable.py",
        "agents/stored/names.py",
        "common/ids.py",
        "envs/named_wrappers.py",
        "benchmarks/command.py",
        "scripts/cli.py",
    }


def test_the_packages_are_those_of_this_checkout():
    names = [f"engram.{package}" for package in (*PACKAGES, "configs")]
    for name in names:
        assert Path(importlib.import_module(name).__file__).resolve().parent == ROOT / name.partition(".")[2]
    code = f"import {', '.join(names)}; print(engram.agents.__file__, engram.scripts.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [str(Path(name).resolve()) for name in found.stdout.split()]
    assert files == [str(ROOT / name / "__init__.py") for name in ("agents", "scripts")]


def tracked_files():
    try:
        found = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in found.stdout.splitlines() if (ROOT / name).is_file()]


def test_top_level():
    names = {path.relative_to(ROOT).parts[0] for path in tracked_files()}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_no_file_is_long():
    """300 lines of code, kernels and tests apart, and 400 of anything else that is written by hand."""
    written_by_a_command = ROOT / "docs" / "leaderboard" / "tables.md"

    def most(path):
        is_code = path.suffix == ".py" and path.relative_to(ROOT).parts[0] != "tests"
        return 300 if is_code and not path.stem.endswith("kernels") else 400

    long = {
        path.relative_to(ROOT).as_posix(): count
        for path in tracked_files()
        if path.suffix in (".py", ".yaml", ".md")
        and path != written_by_a_command
        and (count := len(path.read_text().splitlines())) > most(path)
    }
    assert not long


def public_objects():
    """Every public class, function and method defined in our packages."""
    for package in PACKAGES:
        for found in pkgutil.iter_modules([str(ROOT / package)], prefix=f"engram.{package}."):
            try:
                module = importlib.import_module(found.name)
            except ModuleNotFoundError as error:  # where there can be no CUDA, or of one client alone
                if error.name not in ("triton", "stable_baselines3"):
                    raise
                continue
            assert module.__doc__, found.name
            for name, value in vars(module).items():
                ours = getattr(value, "__module__", "") == found.name
                if (
                    name.startswith("_")
                    or not ours
                    or not (inspect.isclass(value) or inspect.isfunction(value))
                ):
                    continue
                yield f"{found.name}.{name}", value
                if inspect.isclass(value):
                    for attribute, member in vars(value).items():
                        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
                        if not attribute.startswith("_") and inspect.isfunction(function):
                            yield f"{found.name}.{name}.{attribute}", function


# One line would only repeat the name.
UNDESCRIBED = {"mean", "standard_error"}


def test_public_objects_are_described_and_annotated():
    bare, untyped = [], []
    for name, value in public_objects():
        # A method without a docstring of its own takes over that of the method it implements.
        inherits = inspect.isfunction(value) and name.count(".") == 4
        if not value.__doc__ and not inherits and name.rpartition(".")[2] not in UNDESCRIBED:
            bare.append(name)
        if inspect.isfunction(value):
            parameters = [key for key in inspect.signature(value).parameters if key not in ("self", "cls")]
            untyped += [f"{name}({key})" for key in {*parameters, "return"} - value.__annotations__.keys()]
    assert not bare and not untyped


def test_a_wheel_has_every_folder_of_code():
    """But those that come with a clone alone; a folder left out would only be missed by who installs the wheel."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [
        path.parent.relative_to(ROOT) for name in MAY_IMPORT for path in (ROOT / name).rglob("__init__.py")
    ]
    in_clone = {".".join(("engram", *folder.parts)) for folder in folders}
    clone_alone = {name for name in in_clone if name.split(".")[1] in ("benchmarks", "tools")}
    assert set(listed) - {"engram"} == in_clone - clone_alone
