"""What is done with a damaged folder, and what comes of it: each consumer gives a value that can be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from damage_commands import Said, call, call_function
from damage_folders import ARCHIVE, EVALUATED, OTHER, PLOTTED, PPO, RUN, SWEEP, sweep_words

import engram.command_line.config
import engram.scripts.evaluate
import engram.scripts.plot
import engram.scripts.sweep
import engram.scripts.train
from engram import agents
from engram.envs import RecallFirst
from engram.run_files.find_run import unfinished_run
from run_files import checkpoint_tensors, is_timing, learned_values


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        said: how the command ended.
        result: to be compared; None if there is none.
        is_left_out: the report, or the sweep's table, is without the damaged run, and says so by name.
    """

    said: Said
    result: Any = None
    is_left_out: bool = False


def _learned(run: Path) -> dict[str, Any]:
    """What a run has logged and learned."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    result: dict[str, Any] = {
        "lines": [
            {key: repr(value) for key, value in line.items() if key != "hash" and not is_timing(key)}
            for line in lines
        ]
    }
    for name in ("latest", "best"):
        tensors = checkpoint_tensors(run, name)
        values = learned_values(run, name)
        values.pop("log", None)  # its hash is one of timings, too
        result[name] = values
        result[f"{name}'s tensors"] = {key: _bits(tensor) for key, tensor in tensors.items()}
    return result


def _bits(tensor: torch.Tensor) -> tuple[Any, ...]:
    return str(tensor.dtype), tuple(tensor.shape), tensor.flatten().view(torch.uint8).numpy().tobytes()


def resume(work: Path, more: tuple[str, ...]) -> Outcome:
    said = call(engram.scripts.train.main, f"resume={work / RUN}", "logging.to=[]", *more)
    return Outcome(said, _learned(work / RUN) if said.code == 0 else None)


def load(work: Path, more: tuple[str, ...], checkpoint: str = "best") -> Outcome:
    trusting = {"trust_edited": True} if more else {}

    def act() -> Any:
        agent = agents.load(work / RUN, checkpoint, **trusting)
        return _actions(agent)

    said = call_function(act)
    return Outcome(said, said.value)


def load_latest(work: Path, more: tuple[str, ...]) -> Outcome:
    return load(work, more, "latest")


def _actions(agent: Any) -> list[str]:
    """What an agent says to a few rows of its task."""
    env = RecallFirst(num_envs=3, delay=2)
    carry = agent.initial_carry(batch_size=3)
    row = env.reset(seed=5)
    values = []
    for _ in range(3):
        action, carry, extras = agent.act(row, carry, deterministic=True)
        values.append(repr((action.tolist(), sorted((k, v.tolist()) for k, v in extras.items()))))
    return values


def evaluate(work: Path, more: tuple[str, ...], *words: str) -> Outcome:
    said = call(
        engram.scripts.evaluate.main, f"run={work / RUN}", f"output={work / 'out'}", *EVALUATED, *words, *more
    )
    path = work / "out" / "evaluation.json"
    return Outcome(said, _document(path) if said.code == 0 else None)


def evaluate_latest(work: Path, more: tuple[str, ...]) -> Outcome:
    return evaluate(work, more, "checkpoint=latest")


def against(work: Path, more: tuple[str, ...]) -> Outcome:
    """The damaged run's evaluation beside a new one of the whole run."""
    other = work / RUN / "evaluation" / "evaluation.json"
    words = (f"run={work / OTHER}", f"against={other}", f"output={work / 'out'}", *EVALUATED, *more)
    said = call(engram.scripts.evaluate.main, *words)
    return Outcome(said, _document(work / "out" / "evaluation.json") if said.code == 0 else None)


def _document(path: Path) -> Any:
    document = json.loads(path.read_text())
    document.pop("checksum", None)
    return document


def plot(work: Path, more: tuple[str, ...], runs: Path | None = None) -> Outcome:
    words = (f"runs={runs or work}", f"output={work / 'out'}", *PLOTTED, *more)
    said = call(engram.scripts.plot.main, *words)
    if said.code != 0:
        return Outcome(said)
    document = json.loads((work / "out" / "results.json").read_text())
    named = [one for one in document["skipped"] if not one["reason"].startswith("same configuration")]
    left = {row["folder"].rsplit("/", 1)[-1] for row in document["runs"]}
    is_left_out = any(one["name"].endswith((RUN, ARCHIVE)) for one in named) and RUN not in left
    return Outcome(said, document, is_left_out)


def plot_archive(work: Path, more: tuple[str, ...]) -> Outcome:
    outcome = plot(work, more, work / ARCHIVE)
    if outcome.result is not None:
        named = [
            one for one in outcome.result["skipped"] if not one["reason"].startswith("same configuration")
        ]
        return Outcome(outcome.said, outcome.result, bool(named))
    return outcome


def unfinished(work: Path, more: tuple[str, ...]) -> Outcome:
    config = engram.command_line.config.compose_config(
        "train", ["core=gru", *PPO, f"logging.runs_dir={work}"]
    ).values
    said = call_function(lambda: unfinished_run(config))
    found = None if said.value is None else str(said.value)
    return Outcome(said, [found], is_left_out=found is None and RUN in said.text)


def sweep(work: Path, more: tuple[str, ...]) -> Outcome:
    said = call(engram.scripts.sweep.main, *sweep_words(work), *more)
    if said.code != 0:
        return Outcome(said)
    failed = [line for line in said.text.splitlines() if line.startswith("failed: ")]
    traces = [path for path in (work / SWEEP / "logs").rglob("*.log") if "Traceback" in path.read_text()]
    if traces:
        trace = traces[0].read_text().strip()
        return Outcome(Said(None, said.text, said.out, trace))
    if said.value is False:
        return Outcome(said, None, is_left_out=bool(failed))
    # The trial that had finished is not touched: the table alone tells of it.
    continued = [_learned(path.parent) for path in (work / SWEEP).rglob("1/metrics.jsonl")]
    return Outcome(said, [said.out, continued])


Consumer = Callable[[Path, tuple[str, ...]], Outcome]
CONSUMERS: dict[str, Consumer] = {
    "resume": resume,
    "load": load,
    "load latest": load_latest,
    "evaluate": evaluate,
    "evaluate latest": evaluate_latest,
    "against": against,
    "plot": plot,
    "plot archive": plot_archive,
    "unfinished": unfinished,
    "sweep": sweep,
}
