"""Runs that stored `logging.tensorboard`, before there was `logging.to`."""

import pytest
import yaml
from python_runs import QUIET, TINY, lines

import engram
from engram.run_files.manifest import adopt_texts
from engram.run_files.run_folder import stored_config


@pytest.mark.parametrize("tensorboard", [True, False])
def test_a_run_of_before_goes_on_as_it_logged(tensorboard, tmp_path):
    run = engram.train(**TINY, logging=QUIET["logging"] | {"run_dir": tmp_path / "run"})
    path = run.path / "config.yaml"
    stored = yaml.safe_load(path.read_text())
    for name in ("to", "wandb", "mlflow"):
        del stored["logging"][name]
    stored["logging"]["tensorboard"] = tensorboard
    path.write_text(yaml.safe_dump(stored, sort_keys=False))
    adopt_texts(run.path, ["config.yaml"])
    logging = stored_config(run.path)["logging"]
    assert logging["to"] == (["tensorboard"] if tensorboard else []) and "tensorboard" not in logging
    logging["wandb"]["project"] = "changed"  # in this configuration alone
    assert stored_config(run.path)["logging"]["wandb"]["project"] is None
    before = len(lines(run))
    engram.train(resume=run, total_env_steps=600)
    assert len(lines(run)) > before and (run.path / "tensorboard").exists() == tensorboard
    assert "tensorboard" not in yaml.safe_load(path.read_text())["logging"]
