"""Weights & Biases, offline, and MLflow hold the lines of `metrics.jsonl`, to the digit and once."""

import json
import subprocess
import sys

import pytest
from python_runs import QUIET, TINY

import engram
from engram.command_line.resuming import SERVER

pytest.importorskip("wandb", reason="W&B is an extra: pip install -e '.[wandb]'")
pytest.importorskip("mlflow", reason="MLflow is an extra: pip install -e '.[mlflow]'")

import wandb
from mlflow import MlflowClient
from tracked_runs import metric_lines, mlflow_lines, mlflow_runs, mlflow_uri, wandb_lines, wandb_records

LINES = {"wandb": wandb_lines, "mlflow": mlflow_lines}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder in which both keep what they are given."""
    for name, value in {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    for name in ("MLFLOW_ALLOW_FILE_STORE", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "true")
    yield tmp_path
    wandb.teardown()


def options(folder, *names, **more):
    logging = QUIET["logging"] | {"to": list(names), "run_dir": folder / "run"}
    logging |= {"mlflow": {"tracking_uri": mlflow_uri(folder)}}
    return {**TINY, "checkpoint": {"interval": 200}, "logging": logging, **more}


class Crashing(engram.Callback):
    """Ends the run with an error once a line after a checkpoint is logged."""

    def on_rollout(self, trainer, rollout):
        if trainer.env_steps > 370:
            raise KeyError("broken")


@pytest.mark.parametrize("name", LINES)
def test_lines_of_a_run_that_crashed_and_was_continued(name, folder):
    """The lines after the last checkpoint are logged twice, by other times, and have been given once."""
    with pytest.raises(KeyError, match="broken"):
        engram.train(**options(folder, name), callbacks=[Crashing()])
    cut, given = metric_lines(folder / "run"), LINES[name](folder)
    assert given == cut[: len(given)] and 2 <= len(given) <= len(cut) - 2
    if name == "mlflow":
        with pytest.raises(
            engram.RunError, match=r"give logging\.mlflow\.tracking_uri=file://.*/mlruns as well, or"
        ):
            engram.train(resume=folder / "run")
    run = engram.train(resume=folder / "run", logging={"mlflow": {"tracking_uri": mlflow_uri(folder)}})
    assert LINES[name](folder) == metric_lines(run.path)
    assert metric_lines(run.path)[len(given)][1] != cut[len(given)][1]  # SPS
    if name == "wandb":
        assert len({one.run_id for one in wandb_records(folder, "run")}) == 1
        assert [one.exit_code for one in wandb_records(folder, "exit")] == [1, 0]


def test_a_finished_run_is_given_whole(folder):
    run = engram.train(**options(folder))
    assert not (run.path / "mlflow.json").exists()
    for _ in range(2):  # the second time there is nothing left to give
        engram.train(resume=run, logging=options(folder, "mlflow")["logging"])
        assert mlflow_lines(folder) == metric_lines(run.path)
    client = MlflowClient(mlflow_uri(folder))
    (found,) = client.search_runs([client.get_experiment_by_name("engram").experiment_id])
    assert found.info.status == "FINISHED" and found.info.run_name.endswith("/run")
    params = found.data.params
    assert params["core.hidden_size"] == "8" and params["seed"] == "0" and "logging.to" not in params


def test_a_tracker_that_cannot_be_had(folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    away = options(folder, "mlflow")
    away["logging"] = away["logging"] | {"mlflow": {"tracking_uri": "http://127.0.0.1:9"}}
    with pytest.raises(
        engram.RunError, match=r"MLflow must take this run, but got: .*leave it out of logging\.to"
    ):
        engram.train(**away)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        engram.RunError, match=r"logging\.to=wandb needs Weights & Biases, which is not installed"
    ):
        engram.train(**options(folder / "other", "wandb"))
    assert not (folder / "other").exists()


@pytest.mark.slow
def test_trials_of_a_sweep_share_a_new_database(folder):
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    words = (
        "core=gru core.hidden_size=8 env=diagnostic/recall_first seed=0,1 num_envs=4 total_env_steps=600 workers=2 "
        "agent.rollout_length=16 agent.num_minibatches=2 evaluation.interval=200 evaluation.episodes=4 "
        f"evaluation.num_envs=2 logging.curve=false logging.to=[mlflow] {SERVER}={uri} sweep.dir={folder / 'sweep'}"
    )
    command = [sys.executable, "-m", "engram.scripts.cli", "sweep", *words.split()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "again" not in done.stdout + done.stderr, done.stderr
    ids = sorted((folder / "sweep").rglob("mlflow.json"))
    logged = {json.loads(path.read_text())["id"]: metric_lines(path.parent) for path in ids}
    assert len(logged) == 2 and mlflow_runs(uri) == logged
