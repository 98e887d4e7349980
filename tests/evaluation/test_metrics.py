import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta
from sklearn.metrics import brier_score_loss, roc_auc_score

from corroborator.evaluation.metrics import (
    at_prior,
    auroc,
    brier_skill,
    calibration_bins,
    calibration_error,
    interval,
    lower_bound,
    share,
    threshold_at,
    upper_bound,
)

SCORES = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=1, max_size=40)
WEIGHTS = st.integers(1, 5)


@settings(deadline=None)
@given(SCORES, SCORES, st.data())
def test_auroc_is_that_of_scikit_learn(
    positives: list[float], negatives: list[float], data: st.DataObject
) -> None:
    scores = np.array(positives + negatives)
    truth = np.array([True] * len(positives) + [False] * len(negatives))
    weights = np.array([float(data.draw(WEIGHTS)) for _ in scores])
    expected = roc_auc_score(truth, scores, sample_weight=weights)
    assert auroc(scores, truth, weights) == pytest.approx(expected)
    assert auroc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))


def test_figures_of_nothing_are_no_numbers() -> None:
    none, empty = np.zeros(0, dtype=bool), np.zeros(0)
    assert math.isnan(auroc(np.array([0.5]), np.array([True])))
    assert math.isnan(share(none))
    assert math.isnan(calibration_error(empty, none))
    assert math.isnan(brier_skill(np.array([0.5]), np.array([True])))
    assert threshold_at(0.01, empty) == 1.0


@settings(deadline=None)
@given(SCORES, st.sampled_from([0.01, 0.05, 0.2]))
def test_at_most_the_rate_reaches_the_threshold(scores: list[float], rate: float) -> None:
    values = np.array(scores)
    at = threshold_at(rate, values)
    assert share(values >= at) <= rate
    assert share(values >= np.nextafter(at, -np.inf)) > rate


@settings(deadline=None)
@given(SCORES, st.sampled_from([0.05, 0.2]))
def test_a_weight_of_two_is_a_row_that_stands_twice(scores: list[float], rate: float) -> None:
    values, twice = np.array(scores), np.full(len(scores), 2.0)
    assert threshold_at(rate, values, twice) == threshold_at(rate, np.repeat(values, 2))


def test_an_interval_holds_its_measure_and_is_repeatable() -> None:
    hits = np.arange(50) % 3 == 0
    groups = [str(n) for n in range(50)]
    low, high = interval(lambda w: share(hits, w), groups)
    assert low < share(hits) < high
    assert (low, high) == interval(lambda w: share(hits, w), groups)


def test_rows_of_one_group_are_drawn_together() -> None:
    hits = np.array([True, False])
    assert interval(lambda w: share(hits, w), ["one", "one"]) == (0.5, 0.5)
    assert interval(lambda w: share(hits, w), ["one", "two"]) == (0.0, 1.0)


def test_an_interval_of_what_is_no_number_is_none() -> None:
    assert all(map(math.isnan, interval(lambda _: math.nan, ["one"])))


def test_calibration_of_perfect_and_of_useless_probabilities() -> None:
    truth = np.arange(100) % 2 == 0
    assert brier_skill(truth.astype(float), truth) == 1.0
    assert brier_skill(np.full(100, 0.5), truth) == pytest.approx(0.0)
    assert calibration_error(truth.astype(float), truth) == 0.0
    assert calibration_error(np.full(100, 0.9), truth) == pytest.approx(0.4)


@settings(deadline=None)
@given(st.integers(20, 60))
def test_bins_hold_equal_shares_and_all_rows(count: int) -> None:
    values = np.linspace(0, 1, count)
    bins = calibration_bins(values, values > 0.5)
    assert sum(size for _, _, size in bins) == pytest.approx(1.0)
    assert max(size for _, _, size in bins) <= 0.1 + 1.5 / count
    assert [mean for mean, _, _ in bins] == sorted(mean for mean, _, _ in bins)


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=4, max_size=30), st.sampled_from([0.1, 0.3]))
def test_weights_at_a_prior_give_that_share(happened: list[bool], prior: float) -> None:
    flags = np.array([True, False, *happened])
    weights = at_prior(flags, prior)
    assert share(flags, weights) == pytest.approx(prior)
    expected = brier_score_loss(flags, np.full(len(flags), 0.4), sample_weight=weights)
    skill = brier_skill(np.full(len(flags), 0.4), flags, weights)
    assert skill == pytest.approx(1 - expected / (prior * (1 - prior)))


@settings(deadline=None)
@given(st.integers(1, 80), st.data())
def test_bounds_are_those_of_the_beta_distribution(rows: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, rows))
    exact = float(beta.ppf(0.95, hits + 1, rows - hits)) if hits < rows else 1.0
    assert upper_bound(hits, rows) == pytest.approx(exact, abs=1e-9)
    assert lower_bound(rows - hits, rows) == pytest.approx(1 - exact, abs=1e-9)
