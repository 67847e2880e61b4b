"""What experiment trackers hold, read by their own libraries."""

import itertools
import json
import struct

import wandb
from mlflow import MlflowClient
from wandb.proto.wandb_internal_pb2 import Record


def wandb_records(folder, kind):
    """Records of a kind in all runs that were kept offline in a folder, in the order in which they were begun."""
    wandb.teardown()  # its process may still be writing when a run has finished
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for content in wandb_contents(path.read_bytes()):
            record = Record.FromString(content)
            if record.WhichOneof("record_type") == kind:
                yield getattr(record, kind)


def wandb_contents(data):
    """Records of W&B's file: LevelDB's log of blocks of 32 KiB, in which a record may be cut into several pieces."""
    header = struct.Struct(
        "<IHB"
    )  # checksum, length, and whether it is the whole, the first, a middle or the last
    position, content = len(":W&B") + 3, b""
    while position + header.size <= len(data):
        room = -position % 32768
        if 0 < room < header.size:
            position += room
        _, length, kind = header.unpack_from(data, position)
        position += header.size + length
        content += data[position - length : position]
        if kind in (1, 4):
            yield content
            content = b""


def wandb_lines(folder, **_):
    """Lines of W&B as `(env_steps, numbers by name)`."""
    found = []
    for history in wandb_records(folder, "history"):
        items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in history.item}
        step = items["_step"]
        found.append((step, {key: value for key, value in items.items() if not key.startswith("_")}))
    return found


def mlflow_lines(folder, **_):
    """Lines of MLflow as `(env_steps, numbers by name)`."""
    (lines,) = mlflow_runs(mlflow_uri(folder)).values()
    return lines


def mlflow_runs(uri):
    """Lines of every run of MLflow, by the run's id."""
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("engram").experiment_id])
    return {run.info.run_id: _lines_of(client, run) for run in runs}


def _lines_of(client, run):
    points = [
        (metric.step, metric.key, metric.value)
        for key in run.data.metrics
        for metric in client.get_metric_history(run.info.run_id, key)
    ]
    assert len({point[:2] for point in points}) == len(points)
    grouped = itertools.groupby(sorted(points), lambda point: point[0])
    return [(step, {key: value for _, key, value in of_step}) for step, of_step in grouped]


def mlflow_uri(folder):
    """MLflow's files in a folder: a database takes seconds to be made."""
    return (folder / "mlruns").as_uri()


def metric_lines(run_dir):
    """Lines of `metrics.jsonl` in the same form."""
    found = []
    for text in (run_dir / "metrics.jsonl").read_text().splitlines():
        line = json.loads(text)
        del line["hash"]
        found.append((line.pop("env_steps"), line))
    return found
