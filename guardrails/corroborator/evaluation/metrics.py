"""Figures: thresholds, shares, AUROC, calibration, and intervals resampled by group.

Weights say how often a row counts; None counts each once. A figure that rests on no rows is not a
number.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from corroborator.heads import Floats

RESAMPLES = 500
LEVEL = 0.95
BINS = 10

Flags = NDArray[np.bool_]
Weights = Floats | None


def threshold_at(rate: float, scores: Floats, weights: Weights = None) -> float:
    """Return the lowest threshold that at most `rate` of these scores reach; 1 without any."""
    if not len(scores):
        return 1.0
    order = np.argsort(-scores, kind="stable")
    ordered, counted = scores[order], _weights(weights, len(scores))[order]
    over = np.cumsum(counted) / counted.sum() > rate + 1e-12
    first = int(np.argmax(over)) if over.any() else len(over) - 1
    return float(np.nextafter(ordered[first], np.inf))


def share(hits: Flags, weights: Weights = None) -> float:
    """Return the share of hits."""
    counted = _weights(weights, len(hits))
    return float((hits * counted).sum() / counted.sum()) if counted.sum() else math.nan


def auroc(scores: Floats, positive: Flags, weights: Weights = None) -> float:
    """Return the chance that a positive scores over a negative, ties counted half."""
    return auroc_of(scores, positive)(_weights(weights, len(scores)))


def auroc_of(scores: Floats, positive: Flags) -> Callable[[Floats], float]:
    """Return `auroc` as a function of weights, for resampling: the scores are sorted once."""
    values, place = np.unique(scores, return_inverse=True)

    def measure(weights: Floats) -> float:
        high = np.bincount(place, weights=weights * positive, minlength=len(values))
        low = np.bincount(place, weights=weights * ~positive, minlength=len(values))
        if not high.sum() or not low.sum():
            return math.nan
        under = np.cumsum(low) - low
        return float((high * (under + low / 2)).sum() / (high.sum() * low.sum()))

    return measure


def interval(
    measure: Callable[[Floats], float], groups: Sequence[str], seed: int = 0
) -> tuple[float, float]:
    """Return a 95% interval of a measure of weights; rows of a group are drawn together."""
    names, place = np.unique(np.array(groups), return_inverse=True)
    random = np.random.default_rng(seed)
    drawn = [
        measure(
            np.bincount(random.integers(len(names), size=len(names)), minlength=len(names)).astype(
                np.float64
            )[place]
        )
        for _ in range(RESAMPLES)
    ]
    known = [value for value in drawn if not math.isnan(value)]
    if not known:
        return math.nan, math.nan
    low, high = np.percentile(known, [100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2])
    return float(low), float(high)


def calibration_bins(
    probabilities: Floats, happened: Flags, weights: Weights = None
) -> list[tuple[float, float, float]]:
    """Return bins of equal weight: mean probability, observed share, weight as a share of all."""
    if not len(probabilities):
        return []
    order = np.argsort(probabilities, kind="stable")
    counted = _weights(weights, len(order))[order]
    mass = np.cumsum(counted) / counted.sum()
    place = np.minimum((mass - 1e-9) * BINS, BINS - 1).astype(np.intp)
    bins = []
    for number in np.unique(place):
        inside = place == number
        own = counted[inside]
        mean = float(np.average(probabilities[order][inside], weights=own))
        seen = float(np.average(happened[order][inside], weights=own))
        bins.append((mean, seen, float(own.sum() / counted.sum())))
    return bins


def calibration_error(probabilities: Floats, happened: Flags, weights: Weights = None) -> float:
    """Return the expected calibration error over bins of equal weight."""
    bins = calibration_bins(probabilities, happened, weights)
    return sum(size * abs(mean - seen) for mean, seen, size in bins) if bins else math.nan


def brier_skill(probabilities: Floats, happened: Flags, weights: Weights = None) -> float:
    """Return 1 - Brier score / that of saying the base rate every time; 0 is no skill."""
    base = share(happened, weights)
    if math.isnan(base) or base in (0.0, 1.0):
        return math.nan
    counted = _weights(weights, len(happened))
    score = np.average((probabilities - happened) ** 2, weights=counted)
    return float(1 - score / (base * (1 - base)))


def at_prior(happened: Flags, prior: float) -> Floats:
    """Return weights under which a share `prior` of the rows happened."""
    positives, negatives = int(happened.sum()), int((~happened).sum())
    return np.where(happened, prior / max(1, positives), (1 - prior) / max(1, negatives))


def upper_bound(hits: int, rows: int) -> float:
    """Return the exact (Clopper-Pearson) one-sided 95% upper bound of a share."""
    return _bound(hits, rows) if hits < rows else 1.0


def lower_bound(hits: int, rows: int) -> float:
    """Return the exact one-sided 95% lower bound of a share."""
    return 1 - upper_bound(rows - hits, rows)


def _bound(hits: int, rows: int) -> float:
    """Bisect for the share under which so few hits have a chance of 5%."""
    low, high = hits / rows, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(hits, rows, middle) > 1 - LEVEL:
            low = middle
        else:
            high = middle
    return high


def _at_most(hits: int, rows: int, chance: float) -> float:
    """Return the binomial chance of at most `hits`."""
    return math.fsum(
        math.comb(rows, k) * chance**k * (1 - chance) ** (rows - k) for k in range(hits + 1)
    )


def _weights(weights: Weights, count: int) -> Floats:
    return np.ones(count) if weights is None else weights
