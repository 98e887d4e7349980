"""The coefficients against worked examples that others have published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from corroborator.review.agreement import MISSING, Ratings, agreement, gwet_ac1, krippendorff_alpha


def raters(*columns: list[int]) -> Ratings:
    """Return ratings whose categories are counted from 1; 0 is missing."""
    table = np.array(columns).T - 1
    return np.where(table < 0, MISSING, table)


def pairs(*cells: tuple[int, int, int]) -> Ratings:
    """Return the ratings of two raters from (first, second, count)."""
    return np.array([(a, b) for a, b, count in cells for _ in range(count)])


# Krippendorff 2011, example C, which is `cac.raw4raters` of irrCAC and of Gwet's Handbook, p. 120
FOUR_OBSERVERS = raters(
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
)
# the same, example A: binary data
BINARY = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]).T
# `cont3x3abstractors` of the same package: its overview prints both coefficients
ABSTRACTORS = pairs((0, 0, 13), (1, 1, 20), (1, 2, 7), (2, 1, 4), (2, 2, 56))
# Gwet 2008: almost all agree on one answer
PARADOX = pairs((0, 0, 118), (0, 1, 5), (1, 0, 2))


@pytest.mark.parametrize(
    ("ratings", "categories", "published"),
    [(BINARY, 2, "0.095"), (FOUR_OBSERVERS, 5, "0.743"), (ABSTRACTORS, 3, "0.7972585")],
)
def test_alpha_is_what_was_published(ratings: Ratings, categories: int, published: str) -> None:
    digits = len(published) - 2
    assert round(krippendorff_alpha(ratings, categories) or 0, digits) == float(published)


@pytest.mark.parametrize(
    ("ratings", "categories", "published"),
    [(FOUR_OBSERVERS, 5, "0.77544"), (ABSTRACTORS, 3, "0.8493305"), (PARADOX, 2, "0.9408")],
)
def test_ac1_is_what_was_published(ratings: Ratings, categories: int, published: str) -> None:
    digits = len(published) - 2
    assert round(gwet_ac1(ratings, categories) or 0, digits) == float(published)


def test_intervals_are_near_those_from_published_standard_errors() -> None:
    found = agreement(ABSTRACTORS, 3)
    assert (found.alpha.low, found.alpha.high) == pytest.approx((0.68, 0.914), abs=0.02)
    assert (found.ac1.low, found.ac1.high) == pytest.approx((0.764, 0.935), abs=0.02)
    assert found.share == pytest.approx(0.89)
    assert found.units == 100


def test_units_of_one_cluster_are_no_independent_evidence() -> None:
    alone = agreement(ABSTRACTORS, 3)
    together = agreement(ABSTRACTORS, 3, [unit // 10 for unit in range(100)])
    assert together.ac1.value == alone.ac1.value
    assert (together.ac1.high or 0) - (together.ac1.low or 0) > 0
    one = agreement(ABSTRACTORS, 3, ["only"] * 100)
    assert (one.alpha.low, one.alpha.high) == (None, None)


def test_alpha_is_undefined_where_all_answers_are_the_same_and_ac1_is_one() -> None:
    found = agreement(np.zeros((20, 2), dtype=np.intp), 2)
    assert found.alpha.value is None
    assert found.ac1.value == 1


def test_nothing_rated_twice_is_no_agreement() -> None:
    found = agreement(raters([1, 2, 1], [0, 0, 0]), 2)
    assert (found.units, found.share, found.alpha.value, found.ac1.value) == (0, None, None, None)


@given(
    arrays(np.intp, st.tuples(st.integers(1, 12), st.integers(2, 4)), elements=st.integers(-1, 2))
)
def test_order_of_raters_and_units_does_not_matter(ratings: Ratings) -> None:
    turned = ratings[::-1, ::-1]
    for coefficient in (krippendorff_alpha, gwet_ac1):
        first, second = coefficient(ratings, 3), coefficient(turned, 3)
        assert (first is None) == (second is None)
        assert first is None or first == pytest.approx(second)
        assert first is None or first <= 1 + 1e-12


def test_the_same_answers_give_the_same_interval() -> None:
    assert agreement(FOUR_OBSERVERS, 5) == agreement(FOUR_OBSERVERS, 5)


def test_no_units_are_no_agreement() -> None:
    found = agreement(np.empty((0, 2), dtype=np.intp), 2)
    assert (found.units, found.share, found.alpha.value, found.ac1.value) == (0, None, None, None)
