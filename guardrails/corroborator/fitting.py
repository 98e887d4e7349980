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
from corroborator.phrasing import BUCKETS, Blend, Counts, Phrasing, rarities, weighted

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
    return fit_and_judge(rows, gates)[0]


def fit_and_judge(
    rows: Rows, gates: Mapping[str, Sequence[str]]
) -> tuple[Heads, dict[str, Floats]]:
    """Fit as `fit_heads` does; return each gate's calibrated log odds of the judged rows as well.

    They come from heads that did not see the row; rows that are never judged have 0 before
    calibration.
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
    judged = {name: g.slope * held_out[name] + g.offset for name, g in fitted.items()}
    return Heads(heads.classes, heads.weights, heads.biases, fitted), judged


def fit_phrasing(
    counts: Counts, rows: Rows, heads: Heads, judged: Mapping[str, Floats], strength: float
) -> Phrasing:
    """Fit what the phrasing of whole replies adds, and how it joins the scores of sentences.

    Args:
        counts: n-grams of each pool, shape (pools, `BUCKETS`); pools in the order of their names.
        rows: the sentences that `heads` were fitted on; all rows of a pool are of one fold.
        heads: of the sentences.
        judged: from `fit_and_judge`.
        strength: inverse regularisation of the weights of the n-grams.
    """
    _, threadpool_limits = _libraries()
    rarity, used = rarities(counts), counts.any(axis=0)
    features = weighted(counts, rarity)[:, used]
    weights = np.zeros((len(heads.gates), BUCKETS), dtype=np.float32)
    blends: dict[str, Blend] = {}
    with threadpool_limits(1):
        for row, (name, gate) in enumerate(heads.gates.items()):
            positive = np.isin(rows.classes, gate.families)
            sentences, happened, calm = _pooled(rows.pools, judged[name], positive, rows.calm)
            told = _phrased_held_out(features, happened, _pool_folds(rows), strength)
            joined = np.column_stack([sentences, told])
            slopes, offset = _platt(joined, happened)
            threshold = _threshold(
                sigmoid(joined @ slopes + offset), happened, calm, rows.calm_fires
            )
            final, bias = _phrased(features, happened, strength)
            weights[row, used] = _rounded(final)
            shift = float(_rounded(np.array([offset + slopes[1] * bias]))[0])
            blends[name] = Blend(float(slopes[0]), float(slopes[1]), shift, threshold)
    return Phrasing(rarity.astype(np.float32), weights, blends)


def _pool_folds(rows: Rows) -> NDArray[np.intp]:
    _, first = np.unique(np.array(rows.pools), return_index=True)
    return rows.folds[first]


def _phrased_held_out(
    features: Floats, happened: Labels, folds: NDArray[np.intp], strength: float
) -> Floats:
    told = np.zeros(len(features))
    for fold in np.unique(folds):
        test = folds == fold
        weights, bias = _phrased(features[~test], happened[~test], strength)
        told[test] = features[test] @ weights + bias
    return told


def _phrased(features: Floats, happened: Labels, strength: float) -> tuple[Floats, float]:
    _, weights, biases = _logistic(features, happened, strength, "balanced")
    return weights[1], float(biases[1])


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
    (slope,), offset = _platt(highest[:, None], happened)
    probability = sigmoid(slope * highest + offset)
    return Gate(
        families, float(slope), offset, _threshold(probability, happened, calm, rows.calm_fires)
    )


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


def _platt(scores: Floats, positive: Labels) -> tuple[Floats, float]:
    """Calibrate held-out scores (rows, kinds) to probabilities at a share of `PRIOR` positives."""
    _, weight, bias = _logistic(scores, positive, 1e6, "balanced")
    offset = float(bias[1]) + float(np.log(PRIOR / (1 - PRIOR)))
    return _rounded(weight[1]), float(_rounded(np.array([offset]))[0])


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
