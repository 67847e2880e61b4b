import pytest
from command_server import CommandRunner


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Run a command line in a process of its own: `run("train", "core=gru", …)` gives code, out and err."""
    runner = CommandRunner(tmp_path_factory.mktemp("commands"))
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def trained(run, tmp_path_factory):
    """The folder of a finished tiny run; tests leave it as it is."""
    from run_files import TINY

    result = run("train", *TINY, f"logging.runs_dir={tmp_path_factory.mktemp('trained')}")
    assert result.code == 0, result.err
    return result.run_dir
