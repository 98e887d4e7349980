from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corroborator import Evidence, parse_policy
from corroborator.decision import Decision, decide, opens_risk_hold
from corroborator.findings import Finding
from corroborator.ledger import Ledger, RiskHold, advance
from corroborator.policy import Policy, profile_policy
from corroborator.statements import Statement
from corroborator.taxonomy import Severity
from tiny_world import DOMAINS, PROTECTED, TAXONOMY

GENERAL = profile_policy("general")
OBSERVE = profile_policy("observe")
OPENS = opens_risk_hold(TAXONOMY)

families = st.sampled_from([*DOMAINS, *PROTECTED])
modes = st.sampled_from(["off", "observe", "steer"])
policies = st.dictionaries(st.sampled_from(DOMAINS), modes, max_size=31).map(
    lambda chosen: parse_policy(
        "domains: {" + ", ".join(f"{d}: {{mode: {m}}}" for d, m in chosen.items()) + "}"
    )
)


def finding(family: str, probability: float = 0.9) -> Finding:
    statement = Statement(0, 0, 1, "x")
    return Finding(family, family in PROTECTED, statement, 0.0, probability, 0.5, 0.5, (), ())


def decided(
    *found: Finding, policy: Policy = GENERAL, known: tuple[Evidence, ...] = (), **more: Any
) -> Decision:
    ledger = advance(Ledger(), found, known, policy.risk_hold.turns, OPENS)
    return decide(found, ledger, policy, TAXONOMY, **more)


def test_nothing_found_is_clear() -> None:
    assert decided() == Decision("clear", "none")
    assert decided().lead is None


def test_a_claim_is_steered_on() -> None:
    decision = decided(finding("sleep_report"))
    assert (decision.verdict, decision.action) == ("steer", "steer")
    assert (decision.domains, decision.lead) == (("sleep_report",), "sleep_report")


def test_a_domain_that_is_only_observed_is_noted() -> None:
    policy = parse_policy("domains: {sleep_report: {mode: observe}}")
    decision = decided(finding("sleep_report"), policy=policy)
    assert (decision.verdict, decision.action, decision.domains) == ("note", "none", ())


def test_what_is_corroborated_is_noted_and_what_is_contradicted_steered_on() -> None:
    supports = Evidence("age_claim", "the app", "verified")
    against = Evidence("age_claim", "the app", "verified otherwise", "contradicts")
    assert decided(finding("age_claim"), known=(supports,)).verdict == "note"
    assert decided(finding("age_claim"), known=(supports,)).action == "none"
    assert decided(finding("age_claim"), known=(against,)).action == "steer"
    assert decided(finding("age_claim"), known=(supports, against)).action == "steer"


def test_safety_leads_in_a_mixed_turn_and_the_premise_is_kept_in_sight() -> None:
    decision = decided(
        finding("surveillance_claim"), finding("risk_disclosure"), finding("emergency_disclosure")
    )
    assert decision.verdict == "protect"
    assert decision.protected == ("emergency_disclosure", "risk_disclosure")
    assert decision.domains == ("surveillance_claim",)
    assert decision.lead == "emergency_disclosure"


def test_the_most_severe_domain_leads_then_the_surest() -> None:
    found = [
        finding("sleep_report", 0.99),
        finding("surveillance_claim", 0.6),
        finding("illness_disputed", 0.8),
    ]
    domains = decided(*found).domains
    assert domains == ("illness_disputed", "surveillance_claim", "sleep_report")


def test_the_strongest_finding_of_a_domain_counts() -> None:
    found = [
        finding("surveillance_claim", 0.95),
        finding("illness_disputed", 0.9),
        finding("surveillance_claim", 0.6),
    ]
    assert decided(*found).domains == ("surveillance_claim", "illness_disputed")


def test_observing_names_what_it_found_and_does_nothing() -> None:
    decision = decided(
        finding("sleep_report"),
        finding("surveillance_claim"),
        finding("risk_disclosure"),
        policy=OBSERVE,
    )
    assert (decision.verdict, decision.action) == ("protect", "none")
    assert decision.domains == ("surveillance_claim", "sleep_report")
    assert not decision.hold


def test_a_risk_hold_acts_in_a_turn_without_findings() -> None:
    ledger = Ledger(turn=3, risk_hold=RiskHold(opened_turn=1, until_turn=3))
    decision = decide((), ledger, GENERAL, TAXONOMY)
    assert (decision.verdict, decision.action, decision.risk_hold) == ("clear", "steer", True)
    assert decide((), ledger.model_copy(update={"turn": 4}), GENERAL, TAXONOMY).action == "none"
    assert decide((), ledger, OBSERVE, TAXONOMY).action == "none"


@pytest.mark.parametrize(
    ("stream", "held"),
    [
        ("hold_never", (False, False, False, False, False)),
        ("hold_always", (True, True, True, True, True)),
        ("hold_on_finding", (False, True, True, True, True)),
    ],
)
def test_when_a_streamed_reply_is_held_back(stream: str, held: tuple[bool, ...]) -> None:
    policy = parse_policy(f"reply: {{stream: {stream}}}")
    decide_on: Callable[[Ledger], Decision] = lambda ledger: decide((), ledger, policy, TAXONOMY)  # noqa: E731
    open_thread = advance(Ledger(), [finding("age_claim")], (), 5, OPENS)
    risk = Ledger(turn=2, risk_hold=RiskHold(opened_turn=1, until_turn=9))
    assert (
        decided(policy=policy).hold,
        decided(finding("age_claim"), policy=policy).hold,
        decide_on(open_thread).hold,
        decide_on(risk).hold,
        decided(policy=policy, borderline=True).hold,
    ) == held


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(families, st.floats(0.5, 1)), max_size=6), policies)
def test_what_always_holds_of_a_decision(found: list[tuple[str, float]], policy: Policy) -> None:
    items = [finding(*one) for one in found]
    decision = decided(*items, policy=policy)
    assert decision == decided(*reversed(items), policy=policy)
    assert set(decision.protected) == {f.family for f in items if f.protected}
    urgent = [TAXONOMY.protected[p].order != "emergency" for p in decision.protected]
    assert urgent == sorted(urgent)
    ranks = [list(Severity).index(TAXONOMY.domains[d].severity) for d in decision.domains]
    assert ranks == sorted(ranks)
    steers = {d for d in DOMAINS if policy.mode(d) == "steer"}
    if steers:
        assert set(decision.domains) <= steers
        assert (decision.action == "steer") == bool(
            decision.protected or decision.domains or decision.risk_hold
        )
    else:
        assert decision.action == "none"
    assert (decision.verdict == "clear") == (not items)
    if decision.protected:
        assert decision.verdict == "protect"
        assert decision.lead == decision.protected[0]


def test_the_taxonomy_says_what_opens_a_risk_hold() -> None:
    assert {"risk_disclosure", "risk_retracted", "emergency_disclosure"} <= OPENS
    assert "sleep_report" not in OPENS
