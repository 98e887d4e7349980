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
from corroborator.phrasing import BUCKETS, Blend, Phrasing, ngram_counts

ALWAYS_FITTED = -1

MIN_POSITIVES = 10

CONTRAST_FIRES = 0.1
"""Share of held-out near misses that a shipped threshold lets fire."""

PRIOR = 0.3
"""The share of positives that calibrated probabilities assume."""

Labels = NDArray[np.bool_]
Sparse = Any
"""A ``scipy.sparse`` matrix of rows."""


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


@dataclass(frozen=True)
class MoreReplies:
    """Whole replies that phrasing is fitted on beside the pools; they calibrate nothing.

    Attributes:
        replies: their sentences.
        faults: gate -> which of them are at fault, shape (replies,).
        folds: where rows of this fold are judged, the reply is left out; `ALWAYS_FITTED` if never.
        sources: where each comes from, `OWN_SOURCE` for the bank.
    """

    replies: Sequence[Sequence[str]]
    faults: Mapping[str, Labels]
    folds: NDArray[np.intp]
    sources: Sequence[str]


OWN_SOURCE = ""


def fit_phrasing(
    replies: Sequence[Sequence[str]],
    rows: Rows,
    heads: Heads,
    judged: Mapping[str, Floats],
    more: MoreReplies,
    strength: float,
) -> Phrasing:
    """Fit what the phrasing of whole replies adds, and how it joins the scores of sentences.

    Args:
        replies: the sentences of each pool, pools in the order of their names.
        rows: the sentences that `heads` were fitted on; all rows of a pool are of one fold.
        heads: of the sentences.
        judged: from `fit_and_judge`.
        more: replies to learn from besides.
        strength: inverse regularisation of the weights of the n-grams.
    """
    _, threadpool_limits = _libraries()
    weights = np.zeros((len(heads.gates), BUCKETS), dtype=np.float32)
    blends: dict[str, Blend] = {}
    with threadpool_limits(1):
        corpus, rarity = _corpus(replies, rows, more, strength)
        for row, (name, gate) in enumerate(heads.gates.items()):
            positive = np.isin(rows.classes, gate.families)
            sentences, happened, calm = _pooled(rows.pools, judged[name], positive, rows.calm)
            faults = np.append(happened, more.faults[name])
            joined = np.column_stack([sentences, corpus.held_out(faults, len(happened))])
            slopes, offset = _platt(joined, happened)
            threshold = _threshold(
                sigmoid(joined @ slopes + offset), happened, calm, rows.calm_fires
            )
            final, bias = corpus.fitted(faults, np.ones(len(faults), dtype=bool))
            weights[row] = _rounded(final)
            shift = float(_rounded(np.array([offset + slopes[1] * bias]))[0])
            blends[name] = Blend(float(slopes[0]), float(slopes[1]), shift, threshold)
    return Phrasing(rarity.astype(np.float32), weights, blends)


@dataclass(frozen=True)
class _Corpus:
    """Whole replies, those of the pools first."""

    features: Sparse
    folds: NDArray[np.intp]
    sources: NDArray[np.str_]
    strength: float

    def held_out(self, faults: Labels, pools: int) -> Floats:
        """Return the scores of the pools, by weights that were fitted without their fold."""
        told = np.zeros(pools)
        for fold in np.unique(self.folds[:pools]):
            weights, bias = self.fitted(faults, self.folds != fold)
            test = np.flatnonzero(self.folds[:pools] == fold)
            told[test] = self.features[test] @ weights + bias
        return told

    def fitted(self, faults: Labels, used: Labels) -> tuple[Floats, float]:
        """Return the weights of the n-grams and their bias."""
        weight = _evened(self.sources[used], faults[used])
        _, weights, biases = _logistic(
            self.features[used], faults[used], self.strength, weight=weight
        )
        return weights[1], float(biases[1])


def _corpus(
    replies: Sequence[Sequence[str]], rows: Rows, more: MoreReplies, strength: float
) -> tuple[_Corpus, Floats]:
    """Return all replies as n-grams, and how rare each n-gram is in them."""
    _, first = np.unique(np.array(rows.pools), return_index=True)
    folds = np.append(rows.folds[first], more.folds)
    sources = np.array([*[OWN_SOURCE] * len(replies), *more.sources])
    counts = _sparse_counts([*replies, *more.replies])
    rarity = np.log((1 + len(folds)) / (1 + counts.getnnz(axis=0))) + 1
    return _Corpus(_weighted(counts, rarity), folds, sources, strength), rarity


def _sparse_counts(replies: Sequence[Sequence[str]]) -> Sparse:
    from scipy.sparse import csr_matrix, vstack  # noqa: PLC0415 - comes with an extra

    return vstack([csr_matrix(ngram_counts(sentences)) for sentences in replies], format="csr")


def _weighted(counts: Sparse, rarity: Floats) -> Sparse:
    """Do what `corroborator.phrasing.weighted` does, row by row."""
    from sklearn.preprocessing import normalize  # noqa: PLC0415 - an extra

    return normalize(counts.log1p().multiply(rarity).tocsr())


def _evened(sources: NDArray[np.str_], faults: Labels) -> Floats:
    """Weigh replies: both sides count the same, and a source as the square root of its replies."""
    weight = np.zeros(len(faults))
    for side in (faults, ~faults):
        for source in np.unique(sources[side]):
            cell = side & (sources == source)
            weight[cell] = cell.sum() ** -0.5
        weight[side] *= len(faults) / 2 / weight[side].sum()
    return weight


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
    vectors: Floats | Sparse,
    labels: NDArray[Any],
    strength: float,
    *,
    weighting: str | None = None,
    weight: Floats | None = None,
) -> tuple[NDArray[Any], Floats, Floats]:
    """Return classes, weights (classes, features) and biases."""
    regression, _ = _libraries()
    model = regression(C=strength, class_weight=weighting, max_iter=2000, tol=1e-5)
    model.fit(vectors, labels, sample_weight=weight)
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
    _, weight, bias = _logistic(scores, positive, 1e6, weighting="balanced")
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
