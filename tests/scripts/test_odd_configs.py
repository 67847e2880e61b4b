"""A run whose configuration holds a value of another kind is continued, loaded, or refused in a sentence."""

import shutil
import warnings

import pytest
import yaml
from test_odd_values import places, with_odd

from engram import agents
from engram.command_line.options import TrainOptions
from engram.command_line.resuming import resumed_config
from engram.common.checked import check_options
from engram.common.errors import UsageError
from engram.run_files.stored_yaml import yaml_text
from engram.training.faults import usage_errors

ODD = [None, True, [], "x", -1, 10**30, 1e300, {"a": {"b": [1]}}]
# What an agent is built of.
BUILT = ("agent", "core", "env", "seed", "schedule_env_steps")


@pytest.fixture
def harmed(trained, tmp_path):
    """A run to be edited, and its configuration."""
    run_dir = shutil.copytree(trained, tmp_path / "run")
    return run_dir, yaml.safe_load((run_dir / "config.yaml").read_text())


def refusals(harmed, use, cases):
    """How many edited configurations are refused; any other error would be a traceback."""
    run_dir, config = harmed
    count = 0
    for place, value in cases:
        (run_dir / "config.yaml").write_text(yaml_text(with_odd(config, place, value)))
        try:
            with usage_errors(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it was edited
                use(run_dir)
        except UsageError as error:
            assert str(error).strip() and "\n" not in str(error)
            count += 1
    return count


def test_continuing_a_run_of_odd_values(harmed):
    cases = [(place, value) for place in places(harmed[1]) for value in ODD]
    refused = refusals(
        harmed, lambda run_dir: check_options(resumed_config(run_dir, []), TrainOptions), cases
    )
    assert len(cases) > 400 and refused > 100


def test_loading_a_run_of_odd_values(harmed):
    cases = [(place, value) for place in places(harmed[1]) if place[0] in BUILT for value in ODD]
    refused = refusals(harmed, lambda run_dir: agents.load(run_dir, trust_edited=True), cases)
    assert len(cases) > 200 and refused > 150
