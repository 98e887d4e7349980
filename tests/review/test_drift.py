from collections import Counter

from corroborator.review.drift import drift
from corroborator.review.facts import BINS


def test_scores_that_stay_give_no_alert_and_scores_that_move_do() -> None:
    then = Counter({f"claim:{slot}": 100 for slot in range(BINS)})
    same = Counter({f"claim:{slot}": 50 for slot in range(BINS)})
    moved = Counter({"claim:9": 500})
    assert not drift("claim", same, then, 0.2).alert
    assert drift("claim", moved, then, 0.2).alert
    nothing = drift("claim", Counter(), then, 0.2)
    assert (nothing.index, nothing.alert) == (None, False)


def test_few_turns_do_not_alert_by_chance() -> None:
    then = Counter({f"claim:{slot}": 100 for slot in range(BINS)})
    few = Counter({"claim:0": 2, "claim:5": 1, "claim:9": 2})
    found = drift("claim", few, then, 0.2)
    assert found.index is not None
    assert found.index > 0.2
    assert not found.alert
