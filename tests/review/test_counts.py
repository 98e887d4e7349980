from collections import Counter
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from corroborator.review.counts import Period, latency
from corroborator.review.facts import LATENCIES


@given(st.lists(st.floats(0, 2000), min_size=1, max_size=60))
def test_a_latency_is_at_least_the_quantile(milliseconds: list[float]) -> None:
    counts = Counter(f"latency:{sum(ms > end for end in LATENCIES)}" for ms in milliseconds)
    for quantile in (0.5, 0.95):
        found = latency(counts, quantile)
        assert found is not None
        at_most = sum(ms <= found for ms in milliseconds)
        assert at_most >= quantile * len(milliseconds)


def test_no_turn_has_no_latency() -> None:
    assert latency({}, 0.5) is None


@given(st.integers(1, 4000))
def test_steps_cover_a_period(days: int) -> None:
    start = date(2020, 1, 1)
    period = Period(start, date.fromordinal(start.toordinal() + days))
    steps = period.steps()
    assert [day for step in steps for day in step.all()] == period.all()
