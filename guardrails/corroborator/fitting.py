"""From exemplars to fitted heads: regularised logistic regression, calibrated out of fold.

The same vectors give the same bytes: the optimiser runs to a tight tolerance in double precision,
and what it returns is rounded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corroborator.detectors import CERTAINTY, CLAIM, DISCLOSURE
from corroborator.errors import ConfigError
from corroborator.exemplars import Exemplar, Vectors
from corroborator.heads import Floats, Heads, sigmoid
from corroborator.taxonomy import Taxonomy

FOLDS = 5
STRENGTH = 1.0
"""Inverse regularisation of the heads (scikit-learn's C)."""

ORDINARY_FIRES = 0.005
CONTRAST_FIRES = 0.1
"""Shares of held-out ordinary statements and near misses that a shipped threshold lets fire."""

PRIOR = 0.3
"""The share of positives that calibrated probabilities assume, among turns on such topics."""

Labels = NDArray[np.bool_]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """What one head learns.

    Attributes:
        name: of the head.
        positive: which rows are positives.
        weight: how much each row counts; 0 leaves it out.
    """

    name: str
    positive: Labels
    weight: Weights


def statement_tasks(exemplars: Sequence[Exemplar], taxonomy: Taxonomy) -> list[Task]:
    """Return what the statement heads learn from a bank."""

    def rows(test: Callable[[Exemplar], bool]) -> Labels:
        return np.array([test(item) for item in exemplars], dtype=bool)

    positive = rows(lambda item: item.positive)
    disclosed = rows(lambda item: item.positive and item.family in taxonomy.protected)
    claimed = positive & ~disclosed
    elsewhere = rows(lambda item: item.tag == "claim_elsewhere")
    unnamed = rows(lambda item: item.tag == "protected")
    sure = rows(lambda item: item.positive and item.tag == "boosted_certainty")
    unsure = rows(
        lambda item: item.tag in ("vague_minimiser", "confirmation_question", "reality_testing")
    )
    tasks = [
        Task(CLAIM, claimed, np.where(elsewhere, 0.0, 1.0)),
        Task(DISCLOSURE, disclosed | unnamed, np.ones(len(exemplars))),
        Task(CERTAINTY, sure, np.where(sure | unsure, 1.0, 0.0)),
    ]
    for family in taxonomy.domains:
        own = rows(lambda item, family=family: item.positive and item.family == family)  # type: ignore[misc] # a default binds the loop's value
        tasks.append(Task(family, own, np.where(elsewhere, 0.0, 1.0)))
    for family in taxonomy.protected:
        own = rows(lambda item, family=family: item.positive and item.family == family)  # type: ignore[misc] # as above
        tasks.append(Task(family, own, np.where(unnamed | (disclosed & ~own), 0.0, 1.0)))
    return tasks


def fit_heads(
    vectors: Vectors, tasks: Sequence[Task], groups: Sequence[str], ordinary: Labels
) -> Heads:
    """Fit, calibrate and set thresholds.

    Args:
        vectors: features, shape (rows, features).
        tasks: one a head.
        groups: rows of one group fall into one fold: near repetitions must not be told apart.
        ordinary: rows that no head should fire on; thresholds are set on them.

    Raises:
        ConfigError: scikit-learn is missing, or a head has fewer than ten positives.
    """
    fitted = [_fit(vectors, task, groups, ordinary) for task in tasks]
    return Heads(
        tuple(task.name for task in tasks),
        np.array([f.weight for f in fitted], dtype=np.float32),
        np.array([f.bias for f in fitted]),
        np.array([f.slope for f in fitted]),
        np.array([f.offset for f in fitted]),
        {task.name: f.threshold for task, f in zip(tasks, fitted, strict=True)},
    )


@dataclass(frozen=True)
class _Fitted:
    weight: Floats
    bias: float
    slope: float
    offset: float
    threshold: float


def _fit(vectors: Vectors, task: Task, groups: Sequence[str], ordinary: Labels) -> _Fitted:
    used = task.weight > 0
    positive, weight = task.positive[used], task.weight[used]
    if positive.sum() < 2 * FOLDS:
        raise ConfigError(
            f"the head {task.name!r} has {positive.sum()} positives; write at least {2 * FOLDS}"
        )
    rows = vectors[used].astype(np.float64)
    folds = _folds([group for group, use in zip(groups, used, strict=True) if use])
    held_out = np.zeros(len(rows))
    for fold in range(FOLDS):
        test = folds == fold
        coefficients = _logistic(rows[~test], positive[~test], weight[~test], STRENGTH)
        held_out[test] = rows[test] @ coefficients[:-1] + coefficients[-1]
    slope, offset = _platt(held_out, positive, weight)
    calm = ordinary[used]
    threshold = _threshold(sigmoid(slope * held_out + offset), positive, calm)
    coefficients = _rounded(_logistic(rows, positive, weight, STRENGTH))
    return _Fitted(coefficients[:-1], float(coefficients[-1]), slope, offset, threshold)


def _folds(groups: Sequence[str]) -> NDArray[np.intp]:
    """Deal rows into folds, each group whole; the order of first appearance decides."""
    order = {group: position for position, group in enumerate(dict.fromkeys(groups))}
    return np.array([order[group] % FOLDS for group in groups], dtype=np.intp)


def _logistic(rows: Floats, positive: Labels, weight: Weights, strength: float) -> Floats:
    """Return weights and, last, the bias; both classes count the same in sum."""
    try:
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError("fitting needs scikit-learn: pip install 'corroborator[fit]'") from None
    model = LogisticRegression(
        C=strength, class_weight="balanced", solver="lbfgs", max_iter=5000, tol=1e-9
    )
    model.fit(rows, positive, sample_weight=weight)
    return np.append(model.coef_[0], model.intercept_[0])


def _platt(scores: Floats, positive: Labels, weight: Weights) -> tuple[float, float]:
    """Calibrate held-out scores to probabilities at a share of `PRIOR` positives."""
    coefficients = _logistic(scores[:, None], positive, weight, strength=1e6)
    offset = float(coefficients[1]) + float(np.log(PRIOR / (1 - PRIOR)))
    return tuple(_rounded(np.array([coefficients[0], offset])).tolist())  # type: ignore[return-value] # two numbers in, two out


def _threshold(probability: Floats, positive: Labels, calm: Labels) -> float:
    """Return the threshold that few ordinary statements and few near misses reach held out.

    Both bounds hold: `ORDINARY_FIRES` of the ordinary statements, `CONTRAST_FIRES` of the others
    that are no positives.
    """
    limits = [_upper(probability[calm], ORDINARY_FIRES), _upper(probability[~positive], CONTRAST_FIRES)]
    return float(np.clip(_rounded(np.array(max(limits))), 0.05, 0.98))


def _upper(values: Floats, share: float) -> float:
    return float(np.quantile(values, 1 - share)) if len(values) else 0.0


def _rounded(values: Floats) -> Floats:
    """Round to six significant digits, where processors may differ in the last of sixteen."""
    with np.errstate(divide="ignore"):
        magnitude = np.where(values == 0, 0.0, np.floor(np.log10(np.abs(values))))
    scale = 10.0 ** (5 - magnitude)
    return np.asarray(np.round(values * scale) / scale)
