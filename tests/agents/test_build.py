"""Only Engram's own classes, and those of packages the user named, are ever built."""

import functools

import pytest

from engram import memory_cores
from engram.agents.stored.build import build


def test_builds_from_the_inside_out():
    built = build({"_target_": "engram.memory_cores.LSTM", "_partial_": True, "hidden_size": 4})
    assert isinstance(built, functools.partial)
    core = built(input_size=3)
    assert isinstance(core, memory_cores.LSTM) and core.output_size == 4


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "engram.run_files.checkpoint.os.system",  # reaches another package through one of ours
        "engram.run_files.checkpoint.os",
        "engram.memory_cores.base.torch",
        "agents",
        "engram",
        "system",
        "",
    ],
)
def test_foreign_targets_are_refused(target):
    with pytest.raises(ValueError, match="_target_ must"):
        build({"core": [{"_target_": target, "command": "true"}]})


def test_what_a_module_imports_is_not_its_own():
    with pytest.raises(ValueError, match="must name a core, agent, network, encoder or environment"):
        build({"_target_": "engram.run_files.checkpoint.save", "tensors": {}})


def test_a_package_the_user_names_is_allowed():
    description = {"_target_": "fractions.Fraction", "numerator": 1, "denominator": 3}
    with pytest.raises(ValueError, match=r"allow=\[my_package\]"):
        build(description)
    assert str(build(description, allow=["fractions"])) == "1/3"
