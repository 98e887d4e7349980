"""From vectors to fitted heads: regularised logistic regression, calibrated on held-out rows.

The same vectors give the same bytes: the optimiser runs on one thread, to a tight tolerance, in
double precision, and what it returns is rounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corroborator.errors import ConfigError
from corroborator.exemplars import Vectors
from corroborator.heads import Floats, Heads, sigmoid

ALWAYS_FITTED = -1

STRENGTH = 1.0
"""Inverse regularisation of the heads (scikit-learn's C)."""

MIN_POSITIVES = 10

CALM_FIRES = 0.005
CONTRAST_FIRES = 0.1
"""Shares of held-out calm rows and of held-out near misses that a shipped threshold lets fire."""

PRIOR = 0.3
"""The share of positives that calibrated probabilities assume."""

Labels = NDArray[np.bool_]


@dataclass(frozen=True)
class Gate:
    """What one gate and its families learn.

    Attributes:
        name: of the gate.
        positive: which rows are positives.
        used: which rows it learns from.
        families: name of the family of each positive row; "" where it has none, and everywhere for
            a gate without families.
    """

    name: str
    positive: Labels
    used: Labels
    families: tuple[str, ...]


@dataclass(frozen=True)
class Rows:
    """What is known of the rows that all gates learn from.

    Attributes:
        vectors: features, shape (rows, features).
        folds: rows of a fold are judged by heads that were fitted on all the others; calibration and
            thresholds come from that. `ALWAYS_FITTED` marks rows that are never judged.
        calm: rows on which no gate should fire.
        pools: rows of one pool are judged together by their highest score, as a reply is by its
            sentences; calibration and thresholds hold for pools.
    """

    vectors: Vectors
    folds: NDArray[np.intp]
    calm: Labels
    pools: Sequence[str]


@dataclass(frozen=True)
class _Head:
    name: str
    gate: str
    weight: Floats
    bias: float
    slope: float = 1.0
    offset: float = 0.0


def fit_heads(rows: Rows, gates: Sequence[Gate], order: Sequence[str]) -> Heads:
    """Fit gates and families, calibrate the gates and set their thresholds.

    Args:
        rows: what is learnt from.
        gates: what is learnt.
        order: the families that must come out, in the order of the heads.

    Raises:
        ConfigError: scikit-learn is missing, or a gate or family has fewer than ten positives.
    """
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with the extra `fit`

    heads: list[_Head] = []
    thresholds: dict[str, float] = {}
    with threadpool_limits(1):
        for gate in gates:
            head, thresholds[gate.name] = _fit_gate(rows, gate)
            families = _fit_families(rows, gate)
            heads += [head, *(families[name] for name in order if name in families)]
    thresholds |= {head.name: thresholds[head.gate] for head in heads if head.gate}
    missing = [name for name in order if name not in {head.name for head in heads}]
    if missing:
        raise ConfigError(f"the family {missing[0]!r} has no positives; write {MIN_POSITIVES}")
    return Heads(
        tuple(head.name for head in heads),
        tuple(head.gate for head in heads),
        np.array([head.weight for head in heads], dtype=np.float32),
        np.array([head.bias for head in heads]),
        np.array([head.slope for head in heads]),
        np.array([head.offset for head in heads]),
        thresholds,
    )


def _fit_gate(rows: Rows, gate: Gate) -> tuple[_Head, float]:
    used = np.flatnonzero(gate.used)
    positive = gate.positive[used]
    if positive.sum() < MIN_POSITIVES:
        problem = f"the gate {gate.name!r} has {positive.sum()} positives; write {MIN_POSITIVES}"
        raise ConfigError(problem)
    vectors, folds = rows.vectors[used].astype(np.float64), rows.folds[used]
    scores = np.zeros(len(used))
    for fold in np.unique(folds[folds != ALWAYS_FITTED]):
        test = folds == fold
        weight, bias = _logistic(vectors[~test], positive[~test])
        scores[test] = vectors[test] @ weight[0] + bias[0]
    judged = np.flatnonzero(folds != ALWAYS_FITTED)
    pools = [rows.pools[used[row]] for row in judged]
    highest, happened, calm = _pooled(
        pools, scores[judged], positive[judged], rows.calm[used[judged]]
    )
    slope, offset = _platt(highest, happened)
    probability = sigmoid(slope * highest + offset)
    weight, bias = _logistic(vectors, positive)
    head = _Head(gate.name, "", _rounded(weight[0]), float(_rounded(bias)[0]), slope, offset)
    return head, _threshold(probability, happened, calm)


def _fit_families(rows: Rows, gate: Gate) -> dict[str, _Head]:
    named = np.flatnonzero(gate.used & gate.positive & np.array([bool(f) for f in gate.families]))
    labels = np.array([gate.families[row] for row in named])
    names, counts = np.unique(labels, return_counts=True)
    for name, count in zip(names, counts, strict=True):
        if count < MIN_POSITIVES:
            problem = f"the family {str(name)!r} has {count} positives; write {MIN_POSITIVES}"
            raise ConfigError(problem)
    if len(names) < 2:  # noqa: PLR2004 - a single family needs no share
        return {}
    weights, biases = _logistic(rows.vectors[named].astype(np.float64), labels)
    if len(names) == 2:  # noqa: PLR2004 - the library keeps one row for two classes
        weights, biases = np.vstack([0 * weights, weights]), np.append(0 * biases, biases)
    return {
        str(name): _Head(
            str(name), gate.name, _rounded(weight), float(_rounded(np.array([bias]))[0])
        )
        for name, weight, bias in zip(names, weights, biases, strict=True)
    }


def _logistic(
    vectors: Floats, labels: NDArray[Any], strength: float = STRENGTH
) -> tuple[Floats, Floats]:
    """Return weights (classes, features) and biases; all classes count the same in sum."""
    try:
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError("fitting needs scikit-learn: pip install 'corroborator[fit]'") from None
    solver = "newton-cholesky" if labels.dtype == bool else "lbfgs"
    model = LogisticRegression(
        C=strength, class_weight="balanced", solver=solver, max_iter=1000, tol=1e-7
    )
    model.fit(vectors, labels)
    return model.coef_, model.intercept_


def _pooled(
    pools: Sequence[str], scores: Floats, positive: Labels, calm: Labels
) -> tuple[Floats, Labels, Labels]:
    """Return for each pool its highest score, whether any row is positive, and all are calm."""
    _, index = np.unique(np.array(pools), return_inverse=True)
    highest = np.full(index.max() + 1, -np.inf)
    np.maximum.at(highest, index, scores)
    any_positive = np.bincount(index, weights=positive) > 0
    all_calm = np.bincount(index, weights=~calm) == 0
    return highest, any_positive, all_calm


def _platt(scores: Floats, positive: Labels) -> tuple[float, float]:
    """Calibrate held-out scores to probabilities at a share of `PRIOR` positives."""
    weight, bias = _logistic(scores[:, None], positive, strength=1e6)
    offset = float(bias[0]) + float(np.log(PRIOR / (1 - PRIOR)))
    slope, offset = _rounded(np.array([weight[0, 0], offset]))
    return float(slope), float(offset)


def _threshold(probability: Floats, positive: Labels, calm: Labels) -> float:
    """Return the probability that few calm rows and few near misses reach held out."""
    limits = [
        _upper(probability[calm], CALM_FIRES),
        _upper(probability[~positive], CONTRAST_FIRES),
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
