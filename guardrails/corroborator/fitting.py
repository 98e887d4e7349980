"""From vectors to fitted heads: one regularised softmax, its gates calibrated on held-out rows.

The same vectors give the same bytes: the optimiser runs on one thread in double precision, and what
it returns is rounded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corroborator.errors import ConfigError
from corroborator.exemplars import Vectors
from corroborator.heads import Floats, Gate, Heads, pooled, sigmoid

ALWAYS_FITTED = -1

MIN_POSITIVES = 10

CONTRAST_FIRES = 0.1
"""Share of held-out near misses that a shipped threshold lets fire."""

PRIOR = 0.3
"""The share of positives that calibrated probabilities assume."""

Labels = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """What heads learn from.

    Attributes:
        vectors: features, shape (rows, features).
        classes: the class of each row.
        folds: rows of a fold are judged by heads that were fitted on all the others; calibration and
            thresholds come from that. `ALWAYS_FITTED` marks rows that are never judged.
        calm: rows on which no gate should fire.
        pools: rows of one pool are judged together, as a reply is by its sentences (see
            `corroborator.heads.pooled`); calibration and thresholds hold for pools.
        strength: inverse regularisation (scikit-learn's C).
        calm_fires: share of judged calm pools that a shipped threshold lets fire.
    """

    vectors: Vectors
    classes: NDArray[np.str_]
    folds: NDArray[np.intp]
    calm: Labels
    pools: Sequence[str]
    strength: float
    calm_fires: float


def fit_heads(rows: Rows, gates: Mapping[str, Sequence[str]]) -> Heads:
    """Fit a softmax over the classes, calibrate the gates and set their thresholds.

    Args:
        rows: what is learnt from.
        gates: gate -> the classes that it sums.

    Raises:
        ConfigError: scikit-learn is missing, or a class of a gate has fewer than ten rows.
    """
    _, threadpool_limits = _libraries()
    for family in (name for families in gates.values() for name in families):
        if (count := int((rows.classes == family).sum())) < MIN_POSITIVES:
            problem = f"{family!r} has {count} positives; write at least {MIN_POSITIVES}"
            raise ConfigError(problem)
    with threadpool_limits(1):
        held_out = _held_out(rows, gates)
        heads = _softmax(rows, np.ones(len(rows.classes), dtype=bool), gates)
        fitted = {
            name: _gate(rows, held_out[name], tuple(families)) for name, families in gates.items()
        }
    return Heads(heads.classes, heads.weights, heads.biases, fitted)


def _held_out(rows: Rows, gates: Mapping[str, Sequence[str]]) -> dict[str, Floats]:
    """Return each gate's raw scores of the judged rows by heads that did not see them."""
    scores = {name: np.zeros(len(rows.classes)) for name in gates}
    for fold in np.unique(rows.folds[rows.folds != ALWAYS_FITTED]):
        test = rows.folds == fold
        heads = _softmax(rows, ~test, gates)
        for name in gates:
            scores[name][test] = heads.raw(rows.vectors[test], name)
    return scores


def _softmax(rows: Rows, used: Labels, gates: Mapping[str, Sequence[str]]) -> Heads:
    classes, weights, biases = _logistic(
        rows.vectors[used].astype(np.float64), rows.classes[used], rows.strength
    )
    identity = {name: Gate(tuple(families), 1.0, 0.0, 0.5) for name, families in gates.items()}
    return Heads(
        tuple(str(name) for name in classes),
        _rounded(weights).astype(np.float32),
        _rounded(biases),
        identity,
    )


def _gate(rows: Rows, scores: Floats, families: tuple[str, ...]) -> Gate:
    judged = np.flatnonzero(rows.folds != ALWAYS_FITTED)
    positive = np.isin(rows.classes, families)
    highest, happened, calm = _pooled(
        [rows.pools[int(row)] for row in judged],
        scores[judged],
        positive[judged],
        rows.calm[judged],
    )
    slope, offset = _platt(highest, happened)
    probability = sigmoid(slope * highest + offset)
    return Gate(families, slope, offset, _threshold(probability, happened, calm, rows.calm_fires))


def _logistic(
    vectors: Floats, labels: NDArray[Any], strength: float, weighting: str | None = None
) -> tuple[NDArray[Any], Floats, Floats]:
    """Return classes, weights (classes, features) and biases."""
    regression, _ = _libraries()
    model = regression(C=strength, class_weight=weighting, max_iter=2000, tol=1e-5)
    model.fit(vectors, labels)
    weights, biases = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # noqa: PLR2004 - the library keeps one row for two classes
        weights, biases = np.vstack([0 * weights, weights]), np.append(0 * biases, biases)
    return model.classes_, weights, biases


def _libraries() -> tuple[Any, Any]:
    """Return scikit-learn's regression and the limit on threads, which holds for what is loaded."""
    try:
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - an extra
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with it
    except ImportError:
        raise ConfigError("fitting needs scikit-learn: pip install 'corroborator[fit]'") from None
    return LogisticRegression, threadpool_limits


def _pooled(
    pools: Sequence[str], scores: Floats, positive: Labels, calm: Labels
) -> tuple[Floats, Labels, Labels]:
    """Return for each pool its score, whether any row is positive, and all are calm."""
    _, index = np.unique(np.array(pools), return_inverse=True)
    order = np.argsort(index, kind="stable")
    ends = np.cumsum(np.bincount(index))[:-1]
    together = np.array([pooled(members) for members in np.split(scores[order], ends)])
    any_positive = np.bincount(index, weights=positive) > 0
    all_calm = np.bincount(index, weights=~calm) == 0
    return together, any_positive, all_calm


def _platt(scores: Floats, positive: Labels) -> tuple[float, float]:
    """Calibrate held-out scores to probabilities at a share of `PRIOR` positives."""
    _, weight, bias = _logistic(scores[:, None], positive, 1e6, "balanced")
    offset = float(bias[1]) + float(np.log(PRIOR / (1 - PRIOR)))
    slope, offset = _rounded(np.array([weight[1, 0], offset]))
    return float(slope), float(offset)


def _threshold(probability: Floats, positive: Labels, calm: Labels, calm_fires: float) -> float:
    """Return the probability that few calm rows and few near misses reach held out."""
    limits = [
        _upper(probability[calm], calm_fires),
        _upper(probability[~positive & ~calm], CONTRAST_FIRES),
    ]
    return float(np.clip(_rounded(np.array([max(limits)])), 0.05, 0.98)[0])


def _upper(values: Floats, share: float) -> float:
    return float(np.quantile(values, 1 - share)) if len(values) else 0.0


def _rounded(values: Floats) -> Floats:
    """Round to six significant digits, where processors may differ in the last of sixteen."""
    with np.errstate(divide="ignore"):
        magnitude = np.where(values == 0, 0.0, np.floor(np.log10(np.abs(values))))
    scale = 10.0 ** (5 - magnitude)
    return np.asarray(np.round(values * scale) / scale)
