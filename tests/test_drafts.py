from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corroborator import parse_policy
from corroborator.decision import Decision
from corroborator.drafts import REVISION_WORDS, ReplyVerdict, judge_draft
from corroborator.ledger import Ledger, Thread
from corroborator.policy import Policy, profile_policy
from corroborator.reply_check import Assessment, MarkedSentence
from corroborator.texts import load_texts
from tiny_world import DOMAINS, FAULTS, PROTECTED

TEXTS = load_texts()
PLACE = TEXTS.resources.anywhere.directory
GENERAL = profile_policy("general")
OBSERVE = profile_policy("observe")
CLEAR = Decision("clear", "none")
CLAIM = Decision("steer", "steer", domains=("age_claim",))
DANGER = Decision("protect", "steer", protected=("risk_disclosure",))
HELD = Decision("clear", "steer", risk_hold=True)

GOOD = Assessment()
COLLUDES = Assessment(0.9, 0.1, colludes=True, marked=(MarkedSentence(0, 4, "K1", 0.9),))
DOUBTS = Assessment(0.1, 0.9, over_corrects=True, marked=(MarkedSentence(0, 4, "O2", 0.9),))
BOTH = Assessment(
    0.9, 0.9, colludes=True, over_corrects=True, marked=(*COLLUDES.marked, *DOUBTS.marked)
)


def judged(
    assessment: Assessment,
    decision: Decision = CLAIM,
    ledger: Ledger | None = None,
    policy: Policy = GENERAL,
    revisions: int = 0,
    place: Any = None,
) -> ReplyVerdict:
    return judge_draft(
        assessment, decision, ledger or Ledger(turn=1), policy, TEXTS, revisions, place
    )


def replying(text: str) -> Policy:
    return parse_policy(f"reply: {{{text}}}")


def opened(domain: str = "age_claim") -> Ledger:
    return Ledger(
        turn=2, threads=(Thread(domain=domain, recurrences=1, first_turn=1, last_turn=1),)
    )


def test_a_good_draft_is_released() -> None:
    assert judged(GOOD) == ReplyVerdict("release", GOOD)


@pytest.mark.parametrize("assessment", [COLLUDES, DOUBTS, BOTH])
def test_a_draft_at_fault_is_sent_back_with_the_fault_named(assessment: Assessment) -> None:
    verdict = judged(assessment)
    assert verdict.kind == "revise"
    assert verdict.guidance.startswith(TEXTS.revision.domains["age_claim"])
    for mark in assessment.marked:
        assert TEXTS.revision.codes[mark.code] in verdict.guidance
    assert verdict.text == ""


def test_a_fault_about_nothing_is_recorded_and_released() -> None:
    verdict = judged(COLLUDES, CLEAR)
    assert (verdict.kind, verdict.assessment) == ("release", COLLUDES)


def test_an_open_thread_is_something_to_be_about() -> None:
    verdict = judged(COLLUDES, CLEAR, opened())
    assert verdict.kind == "revise"
    assert TEXTS.revision.domains["age_claim"] in verdict.guidance
    observed = parse_policy("domains: {age_claim: {mode: observe}}")
    assert judged(COLLUDES, CLEAR, opened(), policy=observed).kind == "release"


def test_a_risk_hold_is_something_to_be_about() -> None:
    verdict = judged(COLLUDES, HELD)
    assert (verdict.kind, verdict.guidance) == ("revise", TEXTS.revision.codes["K1"])
    replaced = judged(COLLUDES, HELD, revisions=2)
    assert (replaced.kind, replaced.text) == ("replace", TEXTS.replacements.default.text)


@pytest.mark.parametrize("assessment", [GOOD, COLLUDES, DOUBTS, BOTH])
@pytest.mark.parametrize("decision", [CLEAR, Decision("note", "none", domains=("age_claim",))])
def test_observing_releases_everything(assessment: Assessment, decision: Decision) -> None:
    assert judged(assessment, decision, opened(), policy=OBSERVE).kind == "release"


def test_attempts_are_bounded_and_then_the_draft_is_replaced() -> None:
    kinds = [judged(COLLUDES, revisions=n).kind for n in range(4)]
    assert kinds == ["revise", "revise", "replace", "replace"]
    assert judged(COLLUDES, revisions=2).text == TEXTS.replacements.domains["age_claim"].text


def test_over_correction_alone_is_released_after_the_last_attempt() -> None:
    assert judged(DOUBTS, revisions=2).kind == "release"


def test_with_a_disclosure_over_correction_is_replaced_too_and_help_comes_along() -> None:
    verdict = judged(DOUBTS, DANGER, revisions=2, place=PLACE)
    assert verdict.kind == "replace"
    text, offer = verdict.text.split("\n\n")
    assert text == TEXTS.replacements.protected["risk_disclosure"].text
    assert PLACE.name in offer
    assert PLACE.contact in offer


@pytest.mark.parametrize(
    ("policy", "assessment", "kinds"),
    [
        ("on_collusion: replace", COLLUDES, ["replace", "replace", "replace"]),
        ("on_collusion: release", COLLUDES, ["release", "release", "release"]),
        ("on_collusion: release", BOTH, ["revise", "revise", "release"]),
        ("on_collusion: replace", BOTH, ["replace", "replace", "replace"]),
        ("on_overcorrection: release", DOUBTS, ["release", "release", "release"]),
        ("on_overcorrection: release", BOTH, ["revise", "revise", "replace"]),
        ("attempts: 1", COLLUDES, ["revise", "replace", "replace"]),
        (
            "on_collusion: replace, on_overcorrection: release, attempts: 0",
            BOTH,
            ["replace", "replace", "replace"],
        ),
    ],
)
def test_the_policy_says_what_is_done(
    policy: str, assessment: Assessment, kinds: list[str]
) -> None:
    found = [judged(assessment, policy=replying(policy), revisions=n).kind for n in range(3)]
    assert found == kinds


def test_a_fault_is_named_once_and_briefly() -> None:
    marks = tuple(MarkedSentence(n, n + 1, code, 0.9) for n, code in enumerate(FAULTS * 2))
    verdict = judged(Assessment(0.9, 0.9, colludes=True, over_corrects=True, marked=marks))
    assert len(verdict.guidance.split()) <= REVISION_WORDS
    assert verdict.guidance.count(TEXTS.revision.codes["K1"]) == 1


@given(
    st.sampled_from([GOOD, COLLUDES, DOUBTS, BOTH]),
    st.lists(st.sampled_from(DOMAINS), max_size=2).map(tuple),
    st.lists(st.sampled_from(PROTECTED), max_size=2).map(tuple),
    st.booleans(),
    st.integers(0, 9),
    st.sampled_from([GENERAL, OBSERVE, profile_policy("clinical")]),
)
def test_every_verdict_carries_what_it_needs(
    assessment: Assessment,
    domains: tuple[str, ...],
    protected: tuple[str, ...],
    risk_hold: bool,
    revisions: int,
    policy: Policy,
) -> None:
    acts = policy is not OBSERVE and bool(domains or protected or risk_hold)
    decision = Decision(
        "clear", "steer" if acts else "none", protected, domains, risk_hold=risk_hold
    )
    verdict = judged(assessment, decision, policy=policy, revisions=revisions, place=PLACE)
    assert verdict.assessment is assessment
    assert bool(verdict.guidance) == (verdict.kind == "revise")
    assert bool(verdict.text) == (verdict.kind == "replace")
    if verdict.kind == "replace":
        assert PLACE.contact in verdict.text  # failing closed never means silence
    if assessment is GOOD or not acts:
        assert verdict.kind == "release"
    if verdict.kind == "revise":
        assert revisions < policy.reply.attempts
