from datetime import UTC, datetime
from typing import Any

import pytest

from corroborator import Evidence
from corroborator.errors import InputError
from corroborator.evidence import TEXT_CHARACTERS, bearing_on, read_evidence
from tiny_world import CANARY, everything_told

FINE: dict[str, Any] = {"domain": "credential_claim", "source": "sign-in", "text": "a nurse"}


def evidence(domain: str = "age_claim", bearing: Any = "supports", text: str = "x") -> Evidence:
    return Evidence(domain, "the record", text, bearing)


def test_it_supports_unless_it_says_otherwise() -> None:
    item = Evidence(**FINE, time=datetime(2026, 11, 1, tzinfo=UTC))
    assert (item.bearing, item.time) == ("supports", datetime(2026, 11, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"domain": "credential_clam"}, "did you mean credential_claim"),
        ({"domain": CANARY}, "a domain that there is not"),
        ({"domain": "risk_disclosure"}, "a domain that there is not"),
        ({"domain": None}, "are texts"),
        ({"domain": ["age_claim"]}, "are texts"),
        ({"source": 5}, "are texts"),
        ({"text": None}, "are texts"),
        ({"bearing": "proves"}, "'supports' or 'contradicts'"),
        ({"source": " "}, "needs a source and a text"),
        ({"text": "\n"}, "needs a source and a text"),
        ({"text": CANARY * 40}, f"at most {TEXT_CHARACTERS} characters"),
        ({"source": CANARY * 40}, f"at most {TEXT_CHARACTERS} characters"),
    ],
)
def test_what_is_no_evidence_is_refused(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        Evidence(**{**FINE, **wrong})
    assert CANARY not in everything_told(caught.value)


def test_it_does_not_show_its_text() -> None:
    assert CANARY not in repr(Evidence(**{**FINE, "text": CANARY}))


def test_what_contradicts_decides_over_what_supports() -> None:
    items = [
        evidence(),
        evidence("self_diagnosis", "contradicts"),
        evidence(bearing="contradicts", text="y"),
    ]
    assert bearing_on(items, "age_claim") == items[2]
    assert bearing_on(items, "self_diagnosis") == items[1]
    assert bearing_on(items, "sleep_report") is None
    assert bearing_on([], "age_claim") is None


def test_any_series_of_evidence_is_read() -> None:
    items = [evidence(), evidence("sleep_report")]
    assert read_evidence(items) == read_evidence(iter(items)) == tuple(items)
    assert read_evidence(()) == ()


@pytest.mark.parametrize(
    "given", [None, 5, CANARY, [CANARY], [{"text": CANARY}], [evidence(), None], evidence()]
)
def test_anything_else_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match="must be a list of") as caught:
        read_evidence(given)
    assert CANARY not in everything_told(caught.value)
