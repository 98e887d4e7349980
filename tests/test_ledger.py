import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corroborator import Evidence
from corroborator.errors import InputError
from corroborator.findings import Finding
from corroborator.ledger import QUIET_TURNS, Ledger, RiskHold, Thread, advance
from corroborator.statements import Statement
from tiny_world import CANARY, DOMAINS, PROTECTED, everything_told

OPENS = frozenset({"risk_disclosure", "risk_retracted"})
HOLD = 5

families = st.sampled_from([*DOMAINS[:4], *PROTECTED[:2]])
probabilities = st.floats(0, 1)
turns = st.lists(
    st.tuples(
        st.lists(st.tuples(families, probabilities, probabilities), max_size=3),
        st.lists(st.tuples(st.sampled_from(DOMAINS[:4]), st.booleans()), max_size=2),
    ),
    max_size=8,
)


def finding(family: str, certainty: float = 0.5, probability: float = 0.9) -> Finding:
    statement = Statement(0, 0, 1, CANARY)
    return Finding(family, family in PROTECTED, statement, 0.0, probability, 0.5, certainty, (), ())


def evidence(domain: str = "age_claim", supports: bool = True) -> Evidence:
    return Evidence(domain, "the app", CANARY, "supports" if supports else "contradicts")


def after(before: Ledger, *found: Finding, known: tuple[Evidence, ...] = ()) -> Ledger:
    return advance(before, found, known, HOLD, OPENS)


def thread(ledger: Ledger, domain: str = "age_claim") -> Thread:
    found = ledger.thread(domain)
    assert found is not None
    return found


def test_a_claim_opens_a_thread_and_recurs() -> None:
    first = after(Ledger(), finding("age_claim", 0.2))
    assert thread(first) == Thread(
        domain="age_claim", recurrences=1, certainty=0.2, first_turn=1, last_turn=1
    )
    third = after(after(first), finding("age_claim", 0.9))
    assert thread(third).recurrences == 2
    assert (thread(third).first_turn, thread(third).last_turn) == (1, 3)
    assert thread(third).rise == pytest.approx(0.7)
    fourth = after(third, finding("age_claim", 0.1))
    assert thread(fourth).rise == pytest.approx(-0.1)  # against the first time, not the last


def test_several_statements_of_one_turn_count_once_and_the_strongest_tells() -> None:
    found = [finding("age_claim", c, p) for c, p in [(0.1, 0.6), (0.8, 0.95), (0.3, 0.7)]]
    ledger = after(Ledger(), *found)
    assert (thread(ledger).recurrences, thread(ledger).certainty) == (1, 0.8)


def test_disclosures_open_no_thread() -> None:
    ledger = after(Ledger(), *map(finding, PROTECTED))
    assert ledger.threads == ()


def test_evidence_decides_the_status_and_it_stays() -> None:
    ledger = after(Ledger(), finding("age_claim"))
    assert ledger.status("age_claim") == "uncorroborated"
    ledger = after(ledger, known=(evidence(),))
    assert ledger.status("age_claim") == "corroborated"
    ledger = after(ledger, finding("age_claim"))
    assert ledger.status("age_claim") == "corroborated"
    ledger = after(ledger, known=(evidence(), evidence(supports=False)))
    assert ledger.status("age_claim") == "contradicted"
    assert after(ledger, known=(evidence(),)).status("age_claim") == "corroborated"


def test_evidence_may_come_before_the_claim() -> None:
    ledger = after(Ledger(), known=(evidence(),))
    assert (thread(ledger).recurrences, thread(ledger).first_turn) == (0, 0)
    assert ledger.open_threads() == ()
    ledger = after(ledger, finding("age_claim", 0.4))
    assert thread(ledger).status == "corroborated"
    assert (thread(ledger).first_turn, thread(ledger).rise) == (2, 0)


def test_a_thread_is_open_until_it_has_been_quiet() -> None:
    ledger = after(Ledger(), finding("age_claim"), finding("sleep_report"))
    ledger = after(ledger, known=(evidence("sleep_report"),))
    for _ in range(QUIET_TURNS - 2):
        assert [t.domain for t in ledger.open_threads()] == ["age_claim"]
        ledger = after(ledger)
    assert [t.domain for t in ledger.open_threads()] == ["age_claim"]
    assert after(ledger).open_threads() == ()
    assert after(after(ledger), finding("age_claim")).open_threads()


def test_a_contradicted_thread_stays_open() -> None:
    ledger = after(Ledger(), finding("age_claim"), known=(evidence(supports=False),))
    assert [t.domain for t in ledger.open_threads()] == ["age_claim"]


def test_a_risk_hold_outlives_what_is_said_afterwards_and_ends() -> None:
    ledger = after(Ledger(), finding("risk_disclosure"))
    assert ledger.risk_hold == RiskHold(opened_turn=1, until_turn=1 + HOLD)
    for _ in range(HOLD):
        ledger = after(ledger, finding("age_claim"), known=(evidence(),))
        assert ledger.holds_risk()
    assert not after(ledger).holds_risk()


def test_a_retraction_renews_a_risk_hold_and_never_ends_it() -> None:
    ledger = after(after(Ledger(), finding("risk_disclosure")), finding("risk_retracted"))
    assert ledger.risk_hold == RiskHold(opened_turn=1, until_turn=2 + HOLD)


def test_a_hold_that_has_ended_is_not_renewed_but_opened() -> None:
    ledger = after(Ledger(), finding("risk_disclosure"))
    for _ in range(HOLD + 1):
        ledger = after(ledger)
    assert not ledger.holds_risk()
    ledger = after(ledger, finding("risk_retracted"))
    assert ledger.risk_hold == RiskHold(opened_turn=8, until_turn=8 + HOLD)


def test_nothing_holds_risk_at_first() -> None:
    assert not Ledger().holds_risk()


@settings(deadline=None)
@given(turns)
def test_the_ledger_is_a_pure_function_and_its_state_reads_back(given_turns: Any) -> None:
    ledger = again = Ledger()
    for found, known in given_turns:
        items = [finding(*one) for one in found]
        told = [evidence(*one) for one in known]
        before = ledger.to_state()
        ledger = advance(ledger, iter(items), iter(told), HOLD, OPENS)
        again = advance(Ledger.from_state(json.loads(json.dumps(before))), items, told, HOLD, OPENS)
        assert again == ledger
        assert again.turn == before["turn"] + 1  # type: ignore[operator]
    state = ledger.to_state()
    assert Ledger.from_state(json.loads(json.dumps(state))) == ledger
    assert CANARY not in json.dumps(state)  # ids, counters and times; no quote
    for row in ledger.threads:
        assert 0 <= row.first_turn <= row.last_turn <= ledger.turn
        assert row.recurrences <= ledger.turn
    assert len({row.domain for row in ledger.threads}) == len(ledger.threads)


def test_the_state_is_versioned() -> None:
    assert Ledger().to_state()["schema"] == 1


def changed(**values: object) -> dict[str, object]:
    return {**after(Ledger(), finding("age_claim")).to_state(), **values}


@pytest.mark.parametrize(
    "state",
    [
        changed(schema=2),
        changed(schema=None),
        changed(unknown=CANARY),
        changed(turn=-1),
        changed(turn=CANARY),
        changed(seen=1.5),
        changed(threads=CANARY),
        changed(threads=[{"domain": CANARY}]),
        changed(threads=[{"domain": "risk_disclosure"}]),
        changed(threads=[{"domain": "age_claim", "text": CANARY}]),
        changed(threads=[{"domain": "age_claim", "status": CANARY}]),
        changed(threads=[{"domain": "age_claim", "certainty": float("nan")}]),
        changed(threads=[{"domain": "age_claim", "certainty": 1.5}]),
        changed(risk_hold={"opened_turn": 0, "until_turn": 4}),
        changed(risk_hold={"opened_turn": 1}),
        changed(guided_protected=[CANARY]),
        [CANARY],
        CANARY,
        7,
        None,
    ],
)
def test_what_is_no_state_is_refused_without_telling_it(state: Any) -> None:
    with pytest.raises(InputError, match="not a ledger of schema 1") as caught:
        Ledger.from_state(state)
    assert CANARY not in everything_told(caught.value)
    assert caught.value.__context__ is None


@given(
    st.dictionaries(
        st.sampled_from(["schema", "turn", "threads", "risk_hold"]),
        st.none() | st.integers() | st.lists(st.integers()),
    )
)
def test_any_mapping_is_a_ledger_or_refused(state: dict[str, object]) -> None:
    try:
        ledger = Ledger.from_state(state)
    except InputError:
        return
    assert ledger.turn >= 0
    assert ledger.threads == ()


def test_a_ledger_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Ledger().turn = 4  # type: ignore[misc]
