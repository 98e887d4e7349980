"""How far reviewers agree: Krippendorff's alpha and Gwet's AC1, with intervals.

Ratings are nominal; an answer that was not given, or "cannot tell", is missing and no third answer.
Sources: Krippendorff K, *Computing Krippendorff's Alpha-Reliability* (2011); Gwet KL, *Computing
inter-rater reliability and its variance in the presence of high agreement*, Br J Math Stat Psychol
2008;61:29-48. AC1 stands beside alpha because alpha falls with a skewed prevalence even where
almost all answers agree.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Ratings = NDArray[np.intp]
Floats = NDArray[np.float64]

MISSING = -1
RESAMPLES = 1000
SEED = 20260522
"""Resampling starts here, so that the same answers always give the same interval."""


@dataclass(frozen=True, slots=True)
class Coefficient:
    """An agreement coefficient.

    Attributes:
        value: 1 is perfect, 0 what chance would give; None where it is not defined: nothing was
            rated twice, or (alpha) all ratings are the same.
        low, high: 95% interval, by resampling whole clusters; None with fewer than two of them.
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """What raters agree on.

    Attributes:
        units: how many have at least two ratings.
        share: of pairs of ratings that are the same, averaged over these units.
        alpha, ac1: corrected for chance, in two ways.
    """

    units: int
    share: float | None
    alpha: Coefficient
    ac1: Coefficient


def agreement(
    ratings: Ratings, categories: int, clusters: Sequence[Hashable] | None = None
) -> Agreement:
    """Return how far raters agree.

    Args:
        ratings: shape (units, raters); categories from 0, `MISSING` where there is no rating.
        categories: how many there are, used or not.
        clusters: what each unit belongs to, such as its conversation; units of one cluster are
            resampled together. By default each unit is one.
    """
    counts = _counts(ratings, categories)
    sums = np.concatenate([_alpha_terms(counts), _ac1_terms(counts)], axis=1)
    names = list(range(len(counts))) if clusters is None else list(clusters)
    together = _by_cluster(sums, names)
    split = categories * categories
    total = sums.sum(axis=0, keepdims=True)
    resampled = _resampled(together)
    alpha = _alpha(total[:, :split], categories)
    ac1 = _ac1(total[:, split:])
    share = total[0, split] / total[0, split + 1] if total[0, split + 1] else None
    return Agreement(
        int((counts.sum(axis=1) > 1).sum()),
        None if share is None else float(share),
        _coefficient(alpha, _alpha(resampled[:, :split], categories)),
        _coefficient(ac1, _ac1(resampled[:, split:])),
    )


def krippendorff_alpha(ratings: Ratings, categories: int) -> float | None:
    """Return Krippendorff's alpha for nominal data; None where it is not defined."""
    return agreement(ratings, categories).alpha.value


def gwet_ac1(ratings: Ratings, categories: int) -> float | None:
    """Return Gwet's AC1; None where nothing was rated twice."""
    return agreement(ratings, categories).ac1.value


def _counts(ratings: Ratings, categories: int) -> Floats:
    """Return how often each unit was given each category, shape (units, categories)."""
    rated = ratings[:, :, None] == np.arange(categories)
    return np.asarray(rated.sum(axis=1), dtype=np.float64)


def _alpha_terms(counts: Floats) -> Floats:
    """Return each unit's coincidences, flattened: ordered pairs of its ratings by category."""
    rated = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :]
    diagonal = np.arange(counts.shape[1])
    pairs[:, diagonal, diagonal] -= counts
    weight = np.where(rated > 1, 1 / np.maximum(rated - 1, 1), 0.0)
    return np.asarray((pairs * weight[:, None, None]).reshape(len(counts), counts.shape[1] ** 2))


def _alpha(coincidences: Floats, categories: int) -> Floats:
    table = coincidences.reshape(-1, categories, categories)
    same = np.trace(table, axis1=1, axis2=2)
    margins = table.sum(axis=2)
    n = margins.sum(axis=1)
    by_chance = (margins * (margins - 1)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed, expected = 1 - same / n, 1 - by_chance / (n * (n - 1))
        return np.asarray(np.where(expected > 0, 1 - observed / expected, np.nan))


def _ac1_terms(counts: Floats) -> Floats:
    """Return each unit's agreement, whether it has any, its ratings' shares, and whether any."""
    rated = counts.sum(axis=1)
    twice, once = rated > 1, rated > 0
    pairs = np.where(twice, rated * (rated - 1), 1)
    agreed = np.where(twice, (counts * (counts - 1)).sum(axis=1) / pairs, 0.0)
    shares = counts / np.maximum(rated, 1)[:, None]
    return np.column_stack([agreed, twice, shares, once]).astype(np.float64)


def _ac1(sums: Floats) -> Floats:
    agreed, twice, shares, once = sums[:, 0], sums[:, 1], sums[:, 2:-1], sums[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = agreed / twice
        prevalence = shares / once[:, None]
        expected = (prevalence * (1 - prevalence)).sum(axis=1) / (shares.shape[1] - 1)
        return np.asarray((observed - expected) / (1 - expected))


def _by_cluster(sums: Floats, clusters: Sequence[Hashable]) -> Floats:
    order = {name: place for place, name in enumerate(dict.fromkeys(clusters))}
    together = np.zeros((len(order), sums.shape[1]))
    np.add.at(together, [order[name] for name in clusters], sums)
    return together


def _resampled(together: Floats) -> Floats:
    """Return the sums of `RESAMPLES` samples of as many clusters, drawn with replacement."""
    clusters = len(together)
    if clusters <= 1:
        return np.full((1, together.shape[1]), np.nan)
    return np.asarray(_draws(clusters) @ together)


@lru_cache(maxsize=2)
def _draws(clusters: int) -> NDArray[np.float32]:
    """Return how often each cluster is drawn, shape (`RESAMPLES`, clusters)."""
    even = [1 / clusters] * clusters
    drawn = np.random.default_rng(SEED).multinomial(clusters, even, size=RESAMPLES)
    return drawn.astype(np.float32)


def _coefficient(value: Floats, resampled: Floats) -> Coefficient:
    found = resampled[np.isfinite(resampled)]
    if not np.isfinite(value[0]):
        return Coefficient(None, None, None)
    if not len(found):
        return Coefficient(float(value[0]), None, None)
    low, high = np.quantile(found, [0.025, 0.975])
    return Coefficient(float(value[0]), float(low), float(high))
