"""The study that a search is to Optuna: what was tried and what came of it, in a database in the search's folder.

Everything that a search goes on from is in the database before a run starts, so a search that was killed goes on with
the configurations that it had begun, and draws none of them anew.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engram.common.errors import UsageError
from engram.scripts.tuning.space import Choice, Dimension

STUDY_FILE = "study.db"
_NAME = "engram"
RUNNING, FINISHED, PRUNED, FAILED = "running", "finished", "pruned", "failed"
# Draws of a configuration that is not yet known: some as the sampler likes, then others at random.
_DRAWS, _RANDOM_DRAWS = 20, 200


@dataclass(frozen=True)
class Record:
    """A configuration as the study knows it.

    Attributes:
        number: counted from 0, with repetitions, which are left out.
        values: of the options searched, as words.
        state: running, finished, pruned or failed.
        score: None as long as it has none.
        steps: evaluations reported.
    """

    number: int
    values: dict[str, str]
    state: str
    score: float | None
    steps: int


class Study:
    """Optuna's study.

    Args:
        directory: of the search.
        space: what is searched.
        search: the group `tune` of the configuration.
        evaluations: of a whole configuration, for `hyperband`.

    Raises:
        UsageError: if Optuna is not installed, or the database is none.
    """

    def __init__(
        self, directory: Path, space: Mapping[str, Dimension], search: Mapping[str, Any], evaluations: int
    ) -> None:
        self._optuna = _optuna()
        self._space, self._search = space, search
        self._path = directory / STUDY_FILE
        with self._named():
            storage = self._optuna.storages.RDBStorage(_url(self._path))
            self._study = self._optuna.create_study(
                storage=storage,
                study_name=_NAME,
                direction=search["direction"],
                pruner=_pruner(self._optuna, search, evaluations),
                load_if_exists=True,
            )
            if search["sampler"] == "grid":
                self._enqueue_grid()
            for trial in self._trials():
                if trial.state.name == "RUNNING" and not self._is_whole(trial):
                    self._complete(self._live(trial.number))

    def records(self) -> list[Record]:
        """All configurations in the order in which they were drawn; of those drawn twice the first."""
        found: dict[tuple[str, ...], Record] = {}
        with self._named():
            for trial in self._trials():
                if trial.state.name == "WAITING" or not self._is_whole(trial):
                    continue
                record = self._record(trial)
                found.setdefault(tuple(record.values.values()), record)
        return list(found.values())

    def draw(self) -> Record | None:
        """Draw a configuration that is not known yet; None where there is none, or none was found."""
        known = {tuple(record.values.values()) for record in self.records()}
        if len(known) >= math.prod(one.size for one in self._space.values()):
            return None
        for attempt in range(_RANDOM_DRAWS):
            with self._named(), _quiet():
                # A sampler of its own for every draw: one that is made anew would draw the same once more.
                self._study.sampler = self._sampler(len(self._trials()), is_random=attempt >= _DRAWS)
                trial = self._study.ask()
                self._complete(trial)
                record = self._record(self._trials()[trial.number])
                if tuple(record.values.values()) not in known:
                    return record
                self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)
        return None

    def report(self, number: int, step: int, value: float) -> bool:
        """Tell of an evaluation; returns whether the configuration is not worth more of them."""
        with self._named(), _quiet():
            trial = self._live(number)
            trial.report(value, step)
            return bool(trial.should_prune())

    def tell(self, number: int, state: str, score: float | None = None) -> None:
        """Tell what came of a configuration."""
        states = self._optuna.trial.TrialState
        by_name = {FINISHED: states.COMPLETE, PRUNED: states.PRUNED, FAILED: states.FAIL}
        with self._named(), _quiet():
            self._study.tell(number, score, state=by_name[state])

    def _is_whole(self, trial: Any) -> bool:
        """Whether all of a configuration was drawn; one that a killed search had begun to draw was never run."""
        return trial.params.keys() == self._space.keys()

    def _record(self, trial: Any) -> Record:
        names = {"RUNNING": RUNNING, "COMPLETE": FINISHED, "PRUNED": PRUNED, "FAIL": FAILED}
        values = {key: one.word(trial.params[key]) for key, one in self._space.items()}
        steps = max(trial.intermediate_values, default=0)
        return Record(trial.number, values, names[trial.state.name], trial.value, steps)

    def _trials(self) -> list[Any]:
        trials: list[Any] = self._study.get_trials(deepcopy=False)
        return trials

    def _live(self, number: int) -> Any:
        """A trial of Optuna's that goes on, maybe one that an earlier process began, for which it has no other way."""
        return self._optuna.trial.Trial(self._study, self._trials()[number]._trial_id)

    def _complete(self, trial: Any) -> None:
        """Draw what of a configuration has not been drawn."""
        for key, one in self._space.items():
            if isinstance(one, Choice):
                trial.suggest_categorical(key, one.values)
            elif one.is_whole:
                trial.suggest_int(key, one.low, one.high, log=one.log)
            else:
                trial.suggest_float(key, one.low, one.high, log=one.log)

    def _sampler(self, number: int, is_random: bool) -> Any:
        seed = self._search["seed"] * 1_000_003 + number
        samplers = self._optuna.samplers
        if is_random or self._search["sampler"] != "tpe":
            return samplers.RandomSampler(seed=seed)
        return samplers.TPESampler(n_startup_trials=self._search["startup_trials"], seed=seed)

    def _enqueue_grid(self) -> None:
        """Let the study draw every point of a grid in turn."""
        points: list[dict[str, str]] = [{}]
        for key, one in self._space.items():
            points = [{**point, key: value} for point in points for value in one.samples]
        for point in points:
            self._study.enqueue_trial(point, skip_if_exists=True)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Name the database in an error of its library."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (SQLAlchemyError, self._optuna.exceptions.StorageInternalError) as error:
            reason = " ".join(str(error).split())[:160]
            raise UsageError(
                f"A search's {STUDY_FILE} is the database of its study, but {self._path} is not ({reason}); put the "
                "original back, or move the search's folder away to begin anew."
            ) from error


def _optuna() -> Any:
    try:
        import optuna  # an extra, and a second to import
    except ImportError as error:
        raise UsageError(
            "engram tune needs Optuna, which is not installed; pip install -e '.[tune]'."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _url(path: Path) -> str:
    from sqlalchemy.engine import URL

    return URL.create("sqlite", database=str(path.absolute())).render_as_string(hide_password=False)


def _pruner(optuna: Any, search: Mapping[str, Any], evaluations: int) -> Any:
    makers: dict[str, Callable[[], Any]] = {
        "none": optuna.pruners.NopPruner,
        "median": lambda: optuna.pruners.MedianPruner(
            n_startup_trials=search["startup_trials"], n_warmup_steps=search["warmup_evaluations"] + 1
        ),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(
            min_resource=search["warmup_evaluations"] + 1,
            max_resource=max(evaluations, search["warmup_evaluations"] + 1),
        ),
    }
    return makers[search["pruner"]]()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's notes that something of it may change, or that a step was reported before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
