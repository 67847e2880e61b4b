"""One probe: a read-out fitted to what a task hides, its score, the score of a control task, and both by age."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engram.instruments.probes.episodes import of_other_episodes, split_episodes
from engram.instruments.probes.readouts import READOUTS
from engram.instruments.probes.scores import balanced, by_age, mean_over_episodes, row_scores


@dataclass(frozen=True)
class Probe:
    """What a read-out finds, on episodes that it was not fitted to.

    Attributes:
        score: accuracy of choices, or the mean squared error of real numbers, summed over them.
        standard_error: of the score, from the differences between episodes.
        baseline: of who knows nothing: the share of the most frequent choices, or the variance.
        balanced_accuracy: the mean accuracy over classes; None of real numbers.
        r2: 1 − error / variance; None of choices.
        control: the score with the labels of other episodes.
        num_rows: rows that were scored.
        ages: by bins of rows since it was shown: first, last, score and number of rows.
        row_scores: of each row that was scored, `[num_rows]`; of other features with the same seed they are of the same
            rows.
        episode: of each of them, `[num_rows]`.
    """

    score: float
    standard_error: float
    baseline: float
    balanced_accuracy: float | None
    r2: float | None
    control: float
    num_rows: int
    ages: tuple[tuple[int, int, float, int], ...]
    row_scores: Tensor
    episode: Tensor

    def ahead_of(self, other: Probe) -> tuple[float, float]:
        """How much larger the score is than another's of the same rows, and the standard error of that.

        Rows are compared one by one: what makes an episode hard for both is no difference between them.
        """
        return mean_over_episodes(self.row_scores - other.row_scores, self.episode)


def probe(
    features: Tensor,
    target: Tensor,
    num_classes: int | None,
    episode: Tensor,
    rows_ago: Tensor,
    readout: str = "linear",
    seed: int = 0,
) -> Probe:
    """Fit a read-out, and score it; rows in which the thing has not been shown yet are left out.

    Args:
        features: `[N, n]`, rows of an episode one after the other.
        target: `[N, m]`, int64 choices or real numbers.
        num_classes: of each choice; None of real numbers.
        episode: of each row, `[N]`, in rising order.
        rows_ago: how many rows ago it was shown, `[N]`; −1 for not yet.
        readout: one of `READOUTS`.
        seed: of the split by episode.

    Raises:
        ValueError: if fewer than five episodes have shown it.
    """
    is_known = rows_ago >= 0
    features, target, rows_ago = features[is_known].detach(), target[is_known], rows_ago[is_known]
    episode = episode[is_known].unique(return_inverse=True)[1] if is_known.any() else episode[:1] * 0
    split = split_episodes(episode, seed)
    test = split.test
    fit = READOUTS[readout]
    predicted = fit(features, target, num_classes, split)(features[test])
    scores = row_scores(predicted, target[test], num_classes)
    score, error = mean_over_episodes(scores, episode[test])
    other = of_other_episodes(target, episode, seed)
    controlled = fit(features, other, num_classes, split)(features[test])
    control = float(row_scores(controlled, other[test], num_classes).mean())
    baseline = _baseline(target[split.train], target[test], num_classes)
    return Probe(
        score=score,
        standard_error=error,
        baseline=baseline,
        balanced_accuracy=None if num_classes is None else balanced(predicted, target[test], num_classes),
        r2=1 - score / baseline if num_classes is None and baseline > 0 else None,
        control=control,
        num_rows=int(test.sum()),
        ages=tuple(by_age(scores, rows_ago[test])),
        row_scores=scores,
        episode=episode[test],
    )


def _baseline(known: Tensor, target: Tensor, num_classes: int | None) -> float:
    """Score of the constant that is best on the rows known: the mean, or each choice's most frequent class."""
    constant = known.mean(0) if num_classes is None else torch.mode(known, 0).values
    return float(row_scores(constant.expand_as(target), target, num_classes).mean())
