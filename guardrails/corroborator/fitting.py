"""From exemplars to fitted heads: regularised logistic regression, calibrated out of fold.

The same vectors give the same bytes: the optimiser runs to a tight tolerance in double precision,
and what it returns is rounded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from corroborator.detectors import CERTAINTY, CLAIM, DISCLOSURE
from corroborator.errors import ConfigError
from corroborator.exemplars import Exemplar, Vectors
from corroborator.heads import Floats, Heads, sigmoid
from corroborator.reply_bank import ReplySentence
from corroborator.reply_check import COLLUSION, OVER_CORRECTION
from corroborator.taxonomy import Taxonomy

FOLDS = 5
STRENGTH = 1.0
"""Inverse regularisation of the heads (scikit-learn's C)."""

ORDINARY_FIRES = 0.005
CONTRAST_FIRES = 0.1
"""Shares of held-out ordinary statements and near misses that a shipped threshold lets fire."""

NEAR = 0.8

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
        own = rows(partial(_of_family, family=family))
        tasks.append(Task(family, own, np.where(elsewhere, 0.0, 1.0)))
    for family in taxonomy.protected:
        own = rows(partial(_of_family, family=family))
        tasks.append(Task(family, own, np.where(unnamed | (disclosed & ~own), 0.0, 1.0)))
    return tasks


def _of_family(item: Exemplar, family: str) -> bool:
    return item.positive and item.family == family


def reply_tasks(sentences: Sequence[ReplySentence], taxonomy: Taxonomy) -> list[Task]:
    """Return what the reply heads learn: fault or not, and for each code that one."""

    def rows(test: Callable[[ReplySentence], bool]) -> Labels:
        return np.array([test(item) for item in sentences], dtype=bool)

    whole = np.ones(len(sentences))
    tasks = [
        Task(COLLUSION, rows(lambda item: item.has("K")), whole),
        Task(OVER_CORRECTION, rows(lambda item: item.has("O")), whole),
    ]
    faults = [code for code in taxonomy.codes if not code.startswith("G")]
    return tasks + [Task(code, rows(partial(_has_code, code=code)), whole) for code in faults]


def _has_code(item: ReplySentence, code: str) -> bool:
    return code in item.codes


def near_groups(vectors: Vectors) -> list[str]:
    """Group rows that are nearly the same text: linked by a cosine of at least `NEAR`."""
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - comes with the extra

    _, labels = connected_components(vectors @ vectors.T >= NEAR, directed=False)
    return [str(label) for label in labels]


def fit_heads(
    vectors: Vectors,
    tasks: Sequence[Task],
    groups: Sequence[str],
    ordinary: Labels,
    pools: Sequence[str] | None = None,
) -> Heads:
    """Fit, calibrate and set thresholds.

    Args:
        vectors: features, shape (rows, features).
        tasks: one a head.
        groups: rows of one group fall into one fold: near repetitions must not be told apart.
        ordinary: rows that no head should fire on; thresholds are set on them.
        pools: rows of one pool are judged together by their highest score, as a reply is by its
            sentences; calibration and thresholds then hold for pools.

    Raises:
        ConfigError: scikit-learn is missing, or a head has fewer than ten positives.
    """
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with the extra

    # one thread: sums in the same order every time, and no slower at this size
    with threadpool_limits(1):
        fitted = [_fit(vectors, task, groups, ordinary, pools) for task in tasks]
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


def _fit(
    vectors: Vectors,
    task: Task,
    groups: Sequence[str],
    ordinary: Labels,
    pools: Sequence[str] | None,
) -> _Fitted:
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
    calm = ordinary[used]
    pooled, happened, quiet = held_out, positive, calm
    if pools is not None:
        pool = [name for name, use in zip(pools, used, strict=True) if use]
        pooled, happened, quiet = _pooled(pool, held_out, positive, calm)
    slope, offset = _platt(pooled, happened)
    threshold = _threshold(sigmoid(slope * pooled + offset), happened, quiet)
    coefficients = _rounded(_logistic(rows, positive, weight, STRENGTH))
    return _Fitted(coefficients[:-1], float(coefficients[-1]), slope, offset, threshold)


def _pooled(
    pools: Sequence[str], scores: Floats, positive: Labels, ordinary: Labels
) -> tuple[Floats, Labels, Labels]:
    """Return for each pool its highest score, whether any row is positive, and all ordinary."""
    _, index = np.unique(np.array(pools), return_inverse=True)
    highest = np.full(index.max() + 1, -np.inf)
    np.maximum.at(highest, index, scores)
    any_positive = np.bincount(index, weights=positive) > 0
    all_ordinary = np.bincount(index, weights=~ordinary) == 0
    return highest, any_positive, all_ordinary


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
        C=strength, class_weight="balanced", solver="newton-cholesky", max_iter=100, tol=1e-9
    )
    model.fit(rows, positive, sample_weight=weight)
    return np.append(model.coef_[0], model.intercept_[0])


def _platt(scores: Floats, positive: Labels) -> tuple[float, float]:
    """Calibrate held-out scores to probabilities at a share of `PRIOR` positives."""
    coefficients = _logistic(scores[:, None], positive, np.ones(len(scores)), strength=1e6)
    offset = float(coefficients[1]) + float(np.log(PRIOR / (1 - PRIOR)))
    return tuple(_rounded(np.array([coefficients[0], offset])).tolist())


def _threshold(probability: Floats, positive: Labels, calm: Labels) -> float:
    """Return the threshold that few ordinary statements and few near misses reach held out.

    Both bounds hold: `ORDINARY_FIRES` of the ordinary statements, `CONTRAST_FIRES` of the others
    that are no positives.
    """
    limits = [
        _upper(probability[calm], ORDINARY_FIRES),
        _upper(probability[~positive], CONTRAST_FIRES),
    ]
    return float(np.clip(_rounded(np.array(max(limits))), 0.05, 0.98))


def _upper(values: Floats, share: float) -> float:
    return float(np.quantile(values, 1 - share)) if len(values) else 0.0


def _rounded(values: Floats) -> Floats:
    """Round to six significant digits, where processors may differ in the last of sixteen."""
    with np.errstate(divide="ignore"):
        magnitude = np.where(values == 0, 0.0, np.floor(np.log10(np.abs(values))))
    scale = 10.0 ** (5 - magnitude)
    return np.asarray(np.round(values * scale) / scale)
