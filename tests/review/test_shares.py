import pytest
from hypothesis import given
from hypothesis import strategies as st

from corroborator.review.shares import Stratum, share, stratified_share, upper_bound


@pytest.mark.parametrize(("reviewed", "bound"), [(299, 0.01), (598, 0.005), (2995, 0.001)])
def test_no_miss_in_so_many_reviews_bounds_the_miss_rate(reviewed: int, bound: float) -> None:
    assert upper_bound(0, reviewed) <= bound < upper_bound(0, reviewed - 2)


def test_an_exact_bound_of_a_textbook() -> None:
    # Clopper-Pearson, one-sided 95%: 1 of 20 -> 0.2161 (tables of binomial confidence limits)
    assert upper_bound(1, 20) == pytest.approx(0.2161, abs=5e-5)
    assert upper_bound(5, 5) == 1


def test_wilson() -> None:
    # the interval of 0.90 from 200 reviews
    found = share(180, 200)
    assert (found.low, found.high) == pytest.approx((0.8506, 0.9343), abs=5e-5)


def test_nothing_reviewed_says_nothing() -> None:
    for found in (share(0, 0), stratified_share([]), stratified_share([Stratum(0, 0, 9)])):
        assert (found.value, found.low, found.high) == (None, 0, 1)


def test_a_stratum_counts_by_its_size() -> None:
    found = stratified_share([Stratum(10, 10, 900), Stratum(0, 10, 100)])
    assert found.value == pytest.approx(0.9)
    assert found.reviewed == 20


def test_one_stratum_is_a_simple_share() -> None:
    found, simple = stratified_share([Stratum(30, 100, 5000)]), share(30, 100)
    assert found.value == simple.value
    assert (found.low, found.high) == pytest.approx((simple.low, simple.high), abs=0.02)


@given(st.lists(st.builds(Stratum, st.integers(0, 5), st.integers(5, 50), st.integers(1, 999))))
def test_intervals_hold_their_value(strata: list[Stratum]) -> None:
    found = stratified_share(strata)
    assert 0 <= found.low <= found.high <= 1
    assert found.value is None or found.low - 1e-9 <= found.value <= found.high + 1e-9


@given(st.integers(1, 300), st.data())
def test_more_hits_mean_a_higher_bound(reviewed: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, reviewed - 1))
    assert hits / reviewed <= upper_bound(hits, reviewed) <= upper_bound(hits + 1, reviewed) + 1e-9
