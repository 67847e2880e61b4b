"""A mistake in a user's own code keeps its traceback, with one line above it; what Engram refuses stays a sentence."""

import re

import pytest
from faulty_modules import BROKEN, write_faulty_modules

from engram.agents.stored.build import build
from engram.common.errors import UsageError
from engram.memory_cores import GRU
from engram.run_files.run_folder import read_config
from engram.training.faults import usage_errors
from engram.training.schedule import passes
from engram.training.user_code import is_refusal, place_in_user_code
from run_files import TINY, assert_refused

OPTIONS = tuple(word for word in TINY if not word.startswith("core"))
CORE = ("allow=[faulty]", "core=custom", "core._target_=faulty.Core", "+core.hidden_size=8")
ENV = ("env=gymnasium", "env.id=faulty:faulty/Env-v0")
FATES = {
    "core-type": ("TypeError", "<lambda>"),
    "core-own": ("ValueError", "complain"),
    "forward-numpy": ("ValueError", "<lambda>"),
    "env-type": ("TypeError", "<lambda>"),
    "env-file": ("FileNotFoundError", "<lambda>"),
    "reset-value": ("ValueError", "<lambda>"),
    "step-key": ("KeyError", "<lambda>"),
}


def assert_traceback(result, error, file, function):
    """Assert one line that names the place, then the whole traceback, and exit code 1."""
    assert result.code == 1, result.err
    lines = result.err.splitlines()
    (above,) = [index for index, line in enumerate(lines) if line.startswith("error: ")]
    pattern = rf"error: {error} was raised by code of your own, not by Engram: .*/{file}, line \d+, in {function}\. "
    assert re.match(pattern, lines[above]), lines[above]
    assert lines[above + 1].startswith("Traceback (most recent call last)") or error == "SyntaxError"
    assert re.match(rf"\w*\.?{error}\b", lines[-1]), lines[-1]


@pytest.mark.parametrize("fate", FATES)
def test_mistakes_in_a_core_or_an_environment(run, tmp_path, fate):
    modules = write_faulty_modules(tmp_path)
    where = "core.fate" if fate.startswith(("core", "forward")) else "env.kwargs.fate"
    words = (*OPTIONS, *CORE, *ENV, f"+{where}={fate}", f"logging.runs_dir={tmp_path / 'runs'}")
    assert_traceback(run("train", *words, path=[modules]), FATES[fate][0], "faulty.py", FATES[fate][1])


def test_a_mistake_in_drawing_and_in_a_sweep(run, tmp_path):
    modules = write_faulty_modules(tmp_path)
    words = (*OPTIONS, *CORE, *ENV, "allow=[faulty]")
    trained = run("train", *words, f"logging.runs_dir={tmp_path / 'runs'}", path=[modules])
    assert trained.code == 0, trained.err
    options = (f"run={trained.run_dir}", "allow=[faulty]", "episodes=1", "num_envs=1", "video=true")
    assert_traceback(run("evaluate", *options, path=[modules]), "TypeError", "faulty.py", "render")
    swept = (*words, f"dir={tmp_path / 'sweep'}", "+core.fate=core-key", "seed=0..1")
    assert_traceback(run("sweep", *swept, path=[modules]), "KeyError", "faulty.py", "<lambda>")


@pytest.mark.parametrize("module", BROKEN)
def test_modules_that_cannot_be_imported(tmp_path, monkeypatch, module):
    monkeypatch.syspath_prepend(write_faulty_modules(tmp_path))
    description = {"_target_": f"{module}.Core"}
    with pytest.raises((TypeError, ImportError, ValueError, SyntaxError)) as caught, usage_errors():
        build(description, allow=[module])
    place = place_in_user_code(caught.value)
    assert place.error is caught.value
    assert (place.file, place.line) == (str(tmp_path / f"{module}.py"), 1)


def test_what_engram_refuses_is_a_sentence(run, tmp_path):
    modules = write_faulty_modules(tmp_path)
    words = (*OPTIONS, *CORE, f"logging.runs_dir={tmp_path / 'runs'}")
    result = run("train", *words, "core.hidden_size=-1", path=[modules])
    assert_refused(result, r"hidden_size of \w+ must be a whole number from 1 to .*, but got -1")


@pytest.mark.parametrize(
    ("target", "pattern"),
    [
        ("no_such_package.Core", "there is no module 'no_such_package'"),
        ("faulty.no_such_part.Core", "there is no module 'faulty.no_such_part'"),
        ("faulty.NoSuchCore", "faulty defines no 'NoSuchCore'"),
    ],
)
def test_a_target_that_does_not_exist_is_a_sentence(tmp_path, monkeypatch, target, pattern):
    monkeypatch.syspath_prepend(write_faulty_modules(tmp_path))
    with pytest.raises(UsageError, match=pattern), usage_errors():
        build({"_target_": target}, allow=["faulty", "no_such_package"])


def test_what_a_compiled_library_raises_is_not_the_users(tmp_path):
    """YAML is read by libyaml where that is there, whose frames name a source that lies nowhere."""
    (tmp_path / "config.yaml").write_bytes(b"agent: {core: gru\nseed: 1\n\0")
    with pytest.raises(UsageError, match=r"config\.yaml .*is damaged"), usage_errors():
        read_config(tmp_path)
    with pytest.raises(ValueError) as caught:
        read_config(tmp_path)
    assert place_in_user_code(caught.value) is None


def test_a_fault_of_our_own_is_no_refusal():
    with pytest.raises(TypeError) as fault:
        passes(10, None, 5)
    with pytest.raises(TypeError) as misfit:
        GRU(hidden_size=8)
    assert not is_refusal(fault.value)
    assert is_refusal(misfit.value)
