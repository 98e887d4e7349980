import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corroborator import Evidence
from corroborator.decision import Decision
from corroborator.ledger import Ledger, Thread
from corroborator.steering import MAX_WORDS, RESOURCE, Steering, compose
from corroborator.support_resources import Need, Resource
from corroborator.texts import load_texts
from tiny_world import CANARY, DOMAINS, PROTECTED, TAXONOMY

TEXTS = load_texts()
REPEAT_AFTER = 4
PLACES = [
    *(row for rows in TEXTS.resources.needs.values() for row in rows.values()),
    TEXTS.resources.anywhere.directory,
    TEXTS.resources.anywhere.emergency,
]
PLACE = TEXTS.resources.anywhere.directory
SHARED = TEXTS.steering.shared

some = st.lists(st.sampled_from(DOMAINS), max_size=3, unique=True).map(tuple)
evidence_items = st.builds(
    Evidence,
    domain=st.sampled_from(DOMAINS),
    source=st.just("the sign-in of the app"),
    text=st.integers(1, 60).map(lambda n: " ".join(["word"] * n)),
    bearing=st.sampled_from(["supports", "contradicts"]),
)


def acting(**parts: Any) -> Decision:
    return Decision("steer", "steer", **parts)


def composed(decision: Decision, ledger: Ledger | None = None, **more: Any) -> Steering:
    given_ = {"evidence": (), "texts": TEXTS, "repeat_after": REPEAT_AFTER, **more}
    return compose(decision, ledger or Ledger(turn=1), **given_)


def guided(turn: int, last: int | None, domain: str = "age_claim") -> Ledger:
    return Ledger(turn=turn, threads=(Thread(domain=domain, guided_turn=last),))


def offer(place: Resource = PLACE) -> str:
    return SHARED.resource.format(name=place.name, contact=place.contact)


def test_nothing_to_say_is_nothing_said() -> None:
    assert composed(Decision("clear", "none")) == Steering()
    assert composed(Decision("note", "none", domains=("age_claim",))).text == ""


def test_a_claim_gets_its_guidance() -> None:
    steering = composed(acting(domains=("age_claim",)))
    assert steering == Steering(
        TEXTS.steering.domains["age_claim"].guidance, frozenset({"age_claim"})
    )


def test_the_second_domain_gets_a_reminder_and_the_third_nothing() -> None:
    steering = composed(acting(domains=("age_claim", "sleep_report", "self_diagnosis")))
    rows = TEXTS.steering.domains
    assert steering.text.split("\n") == [rows["age_claim"].guidance, rows["sleep_report"].brief]
    assert steering.guided == {"age_claim"}


@pytest.mark.parametrize(
    ("last", "turn", "full"),
    [(None, 9, True), (9, 9, True), (8, 9, False), (6, 9, False), (5, 9, True), (1, 9, True)],
)
def test_full_guidance_is_not_repeated_each_turn(last: int | None, turn: int, full: bool) -> None:
    steering = composed(acting(domains=("age_claim",)), guided(turn, last))
    row = TEXTS.steering.domains["age_claim"]
    assert steering.text == (row.guidance if full else row.brief)
    assert steering.guided == ({"age_claim"} if full else frozenset())
    safety = composed(
        acting(protected=("pain_disclosure",)),
        Ledger(turn=turn, guided_protected={} if last is None else {"pain_disclosure": last}),
    )
    other = TEXTS.steering.protected["pain_disclosure"]
    assert safety.text == (other.guidance if full else other.brief)


def test_in_a_mixed_turn_safety_leads_and_the_premise_is_left_alone() -> None:
    steering = composed(acting(protected=("risk_disclosure",), domains=("surveillance_claim",)))
    guidance = TEXTS.steering.protected["risk_disclosure"].guidance
    assert steering.text.split("\n") == [guidance, SHARED.mixed_lead]
    assert steering.guided == {"risk_disclosure"}
    assert TEXTS.steering.domains["surveillance_claim"].guidance not in steering.text


def test_a_risk_hold_is_said_and_the_claim_too() -> None:
    assert composed(acting(risk_hold=True)).text == SHARED.risk_hold
    both = composed(acting(risk_hold=True, domains=("age_claim",)))
    assert both.text.split("\n") == [
        TEXTS.steering.domains["age_claim"].guidance,
        SHARED.risk_hold,
    ]
    disclosed = composed(acting(risk_hold=True, protected=("risk_disclosure",)))
    assert SHARED.risk_hold not in disclosed.text


def test_what_is_known_is_said_with_its_source_even_where_nothing_is_steered_on() -> None:
    known = (
        Evidence("credential_claim", "the app's sign-in", "a registered nurse"),
        Evidence("age_claim", "the account", "born in 2012", "contradicts"),
        Evidence("age_claim", "the user's profile", "an adult"),
    )
    text = composed(Decision("note", "none"), evidence=known).text
    assert "the app's sign-in" in text
    assert "a registered nurse" in text
    assert "born in 2012" in text
    assert "an adult" not in text  # what contradicts decides


@pytest.mark.parametrize("braces", ["{text}", "{0}", "{", "{source.__class__}"])
def test_braces_in_evidence_are_only_text(braces: str) -> None:
    known = (Evidence("age_claim", braces, braces),)
    assert braces in composed(Decision("note", "none"), evidence=known).text


def test_evidence_that_does_not_fit_is_left_out() -> None:
    long = Evidence("age_claim", "a source", " ".join(["w"] * 140))
    steering = composed(acting(domains=("age_claim",)), evidence=(long,))
    assert steering.text == TEXTS.steering.domains["age_claim"].guidance


@pytest.mark.parametrize("identifier", [p for p in PROTECTED if TAXONOMY.protected[p].need])
def test_help_and_the_premise_both_fit_into_a_mixed_turn(identifier: str) -> None:
    need = Need(TAXONOMY.protected[identifier].need or "")
    rows = [*TEXTS.resources.needs[need].values(), *PLACES[-2:]]
    for place in rows:
        decision = acting(protected=(identifier,), domains=("surveillance_claim",))
        steering = composed(decision, place=place)
        guidance = TEXTS.steering.protected[identifier].guidance
        assert steering.text.split("\n") == [guidance, SHARED.mixed_lead, offer(place)], place.name
        assert steering.guided == {identifier, RESOURCE}


@pytest.mark.parametrize("domain", [d for d in DOMAINS if TAXONOMY.domains[d].need])
@pytest.mark.parametrize("risk_hold", [True, False])
def test_help_fits_beside_the_guidance_on_a_domain(domain: str, risk_hold: bool) -> None:
    for place in PLACES:
        steering = composed(acting(domains=(domain,), risk_hold=risk_hold), place=place)
        assert steering.text.startswith(TEXTS.steering.domains[domain].guidance)
        assert steering.text.endswith(offer(place))
        assert steering.guided == {domain, RESOURCE}


@settings(deadline=None, max_examples=150)
@given(
    some,
    st.lists(st.sampled_from(PROTECTED), max_size=2, unique=True).map(tuple),
    st.booleans(),
    st.lists(evidence_items, max_size=3),
    st.none() | st.sampled_from(PLACES),
)
def test_guidance_is_short_and_never_without_the_place(
    domains: tuple[str, ...],
    protected: tuple[str, ...],
    risk_hold: bool,
    evidence: list[Evidence],
    place: Resource | None,
) -> None:
    decision = acting(domains=domains, protected=protected, risk_hold=risk_hold)
    steering = composed(decision, evidence=evidence, place=place)
    assert len(steering.text.split()) <= MAX_WORDS
    assert (RESOURCE in steering.guided) == (place is not None)
    if place is not None:
        assert steering.text.endswith(offer(place))
    if decision.lead is not None:
        assert decision.lead in steering.guided
    if domains and not protected:
        assert TEXTS.steering.domains[domains[0]].guidance in steering.text


def test_steering_does_not_show_evidence() -> None:
    known = (Evidence("age_claim", "the app", CANARY),)
    steering = composed(Decision("note", "none"), evidence=known)
    assert CANARY in steering.text
    assert CANARY not in repr(steering)


def test_a_place_past_its_day_is_not_named() -> None:
    late = dt.date(2099, 1, 1)
    found = TEXTS.resources.find(Need.CRISIS, "US", late)
    assert found == TEXTS.resources.anywhere.directory
