"""The options of the commands, typed; `configs/<command>.yaml` holds the same defaults, and says what each is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Annotated, Any, Literal

from engram.common.checked import settings
from engram.common.option_types import (
    Capture,
    Count,
    Group,
    Index,
    Instruments,
    Lags,
    LogTargets,
    NotNegative,
    Number,
    Packages,
    Positive,
    Readouts,
    Seed,
    Whole,
    Word,
)


@settings()
class EvaluationOptions:
    """How often a run evaluates, and how it plays then."""

    interval: Count | None = 100_000
    episodes: Count = 100
    num_envs: Count = 20
    max_episode_steps: Count | None = 10_000
    deterministic: bool = True
    stop_at_return: Number | None = None
    env: Group = field(default_factory=dict)


@settings()
class CurriculumOptions:
    """An argument of the environment that is raised as the agent learns."""

    argument: Word | None = None
    values: Sequence[Any] = ()
    raise_at_return: Number | None = None
    episodes: Count = 100


@settings()
class ActorsOptions:
    """Processes that step a run's environments for the one that learns."""

    count: Count = 2
    mode: Literal["lockstep", "free"] = "lockstep"
    lag: Index | None = None
    address: Word | None = None


@settings()
class CheckpointOptions:
    """When a run saves."""

    interval: Count = 100_000
    interval_minutes: Positive | None = 5
    keep_interval: Count | None = None


@settings()
class WandbOptions:
    """Where Weights & Biases keeps a run; null is what its environment variables say, then its own default."""

    project: Word | None = None
    entity: Word | None = None
    group: Word | None = None
    mode: Literal["online", "offline"] | None = None


@settings()
class MlflowOptions:
    """Where MLflow keeps a run; null is what its environment variables say, then its own default."""

    tracking_uri: Word | None = None
    experiment: Word | None = None


@settings()
class LoggingOptions:
    """What a run writes, and where."""

    runs_dir: Word = "runs"
    run_dir: Word | None = None
    to: LogTargets = ("tensorboard",)
    wandb: WandbOptions = WandbOptions()
    mlflow: MlflowOptions = MlflowOptions()
    progress: bool = True
    curve: bool = True


@settings()
class TrainOptions:
    """Options of `engram train`."""

    agent: Group
    core: Group
    env: Group
    seed: Seed = 0
    seeds: Count | None = None
    num_envs: Annotated[int, Whole(1, example="64")] = 64
    total_env_steps: Count = 1_000_000
    schedule_env_steps: Count = 1_000_000
    device: Word = "cpu"
    capture: Capture = "auto"
    threads: Count = 1
    profile: bool = False
    sampler: Literal["local", "ray"] = "local"
    actors: ActorsOptions = ActorsOptions()
    evaluation: EvaluationOptions = EvaluationOptions()
    curriculum: CurriculumOptions = CurriculumOptions()
    checkpoint: CheckpointOptions = CheckpointOptions()
    logging: LoggingOptions = LoggingOptions()
    resume_from: Literal["checkpoint", "weights"] = "checkpoint"
    allow: Packages = ()
    trust_edited: bool = False


@settings()
class GridOptions:
    """Options of a sweep itself."""

    dir: Word | None = None
    workers: Count | None = None
    retries: Index = 2
    launcher: Literal["local", "ray"] = "local"
    address: Word | None = None
    gpus_per_trial: NotNegative = 0
    match_parameters: Count | None = None
    axes: Group = field(default_factory=dict)
    overrides: Sequence[Any] = ()
    trust_edited: bool = False


@settings()
class SweepOptions(TrainOptions):
    """Options of `engram sweep`: those of training, and its own."""

    sweep: GridOptions = GridOptions()


@settings()
class ProbeOptions:
    """What `engram evaluate` varies."""

    argument: Word | None = None
    values: Sequence[Any] = ()


@settings()
class EvaluateOptions:
    """Options of `engram evaluate`."""

    run: Word
    checkpoint: Word = "best"
    episodes: Count = 100
    num_envs: Count = 20
    max_episode_steps: Count | None = 10_000
    deterministic: bool = True
    seed: Seed = 1000
    device: Word = "cpu"
    threads: Count = 1
    env: Group = field(default_factory=dict)
    video: bool = False
    frames_per_second: Positive = 10
    against: Word | None = None
    probe: ProbeOptions = ProbeOptions()
    output: Word | None = None
    allow: Packages = ()
    trust_edited: bool = False


@settings()
class ExportOptions:
    """Options of `engram export`."""

    run: Word
    checkpoint: Word = "best"
    format: Literal["onnx", "torch"] = "onnx"
    output: Word | None = None
    action_mask: bool = False
    threads: Count = 1
    allow: Packages = ()
    trust_edited: bool = False


@settings()
class PushOptions:
    """Options of `engram push`."""

    run: Word
    to: Word
    checkpoint: Word = "best"
    episodes: Count = 100
    num_envs: Count = 20
    max_episode_steps: Count | None = 10_000
    deterministic: bool = True
    seed: Seed = 1000
    licence: Word = "mit"
    private: bool = False
    threads: Count = 1
    allow: Packages = ()
    trust_edited: bool = False


@settings()
class PullOptions:
    """Options of `engram pull` beside `from`, which no field of Python's can be called."""

    to: Word | None = None
    revision: Word | None = None
    allow: Packages = ()
    trust_edited: bool = False


@settings()
class SaliencyOptions:
    """What the instrument `saliency` differentiates."""

    of: Literal["action", "log_prob", "value"] = "action"
    times_input: bool = False


@settings()
class ProbesOptions:
    """What the instrument `probes` reads, and off what."""

    of: Sequence[Any] = ()
    lags: Lags = ()
    readouts: Readouts = ("linear",)
    num_envs: Count = 64
    num_rows: Count = 256
    against: Word | None = None


@settings()
class RecallOptions:
    """What the instrument `recall` plays."""

    kept: Lags = (1, 2, 4, 8, 16)
    argument: Word | None = None
    values: Sequence[Any] = ()
    episodes: Count = 200
    num_envs: Count = 50


@settings()
class AnalyseOptions:
    """Options of `engram analyse`."""

    run: Word
    what: Instruments = ("saliency", "attention")
    checkpoint: Word = "best"
    num_envs: Count = 16
    num_rows: Count = 128
    deterministic: bool = True
    seed: Seed = 1000
    device: Word = "cpu"
    threads: Count = 1
    env: Group = field(default_factory=dict)
    saliency: SaliencyOptions = SaliencyOptions()
    probes: ProbesOptions = ProbesOptions()
    recall: RecallOptions = RecallOptions()
    output: Word | None = None
    allow: Packages = ()
    trust_edited: bool = False


@settings()
class ExamOptions:
    """Options of `engram exam`."""

    agent: Group
    core: Group
    env: Group
    seed: Seed = 0
    updates: Count = 600
    episodes: Count | None = None
    held_out: Count = 512
    num_envs: Count = 256
    device: Word = "cpu"
    threads: Count = 1
    output: Word = "exams"
    allow: Packages = ()
    trust_edited: bool = False
