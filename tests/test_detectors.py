from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corroborator.detectors import CLAIM, NEAREST, OWN_GAIN, Detector, Units
from corroborator.exemplars import Exemplar, ExemplarBank
from corroborator.findings import Detection, Finding
from corroborator.heads import log_odds
from corroborator.statements import read_message
from tiny_world import (
    DOMAINS,
    PROTECTED,
    THRESHOLD,
    WordEncoder,
    certainty_heads,
    ids,
    said,
    statement_heads,
)

ENCODER = WordEncoder()
BANK_TEXTS = {"age_claim": said("age_claim"), "abuse_disclosure": said("abuse_disclosure")}
PLAIN = "I went to the shop for some bread."


def bank(*items: tuple[str, str, bool]) -> ExemplarBank:
    """Return a bank of (family, text, whether positive)."""
    exemplars = tuple(
        Exemplar(f"{family}-c{n:02}", family, text, positive, None)
        for n, (family, text, positive) in enumerate(items)
    )
    return ExemplarBank(exemplars, ENCODER.encode([item.text for item in exemplars]))


SHIPPED = bank(
    *((family, text, True) for family, text in BANK_TEXTS.items()),
    ("age_claim", PLAIN, False),
    ("sleep_report", "I slept, as far as I know.", False),
)


def detector(**changed: Any) -> Detector:
    parts: dict[str, Any] = {
        "bank": SHIPPED,
        "heads": statement_heads(),
        "certainty": certainty_heads(),
        "domains": DOMAINS,
        "protected": PROTECTED,
        "mixed": frozenset({"surveillance_claim"}),
    }
    return Detector(**{**parts, **changed})


def detect(*messages: str, **changed: Any) -> Detection:
    units = Units.of([read_message(text, n) for n, text in enumerate(messages)])
    return detector(**changed).detect(units, ENCODER.encode(units.texts))


def test_nothing_to_read_finds_nothing() -> None:
    assert detect() == detect("") == Detection((), 0.0, 0.0, 0.0, {})


def test_a_plain_statement_is_no_finding() -> None:
    detection = detect(PLAIN)
    assert detection.findings == ()
    assert detection.claim == detection.claim_before_protected < THRESHOLD
    assert set(detection.scores) == {*DOMAINS, *PROTECTED}
    assert max(detection.scores.values()) < THRESHOLD


@pytest.mark.parametrize("family", [*DOMAINS, *PROTECTED])
def test_every_family_is_found_where_it_stands(family: str) -> None:
    text = f"{PLAIN} {said(family)} {PLAIN}"
    [finding] = detect("Hello.", text).findings
    assert (finding.family, finding.protected) == (family, family in PROTECTED)
    place = finding.statement
    assert (place.message, text[place.start : place.end]) == (1, said(family))
    assert finding.probability > 0.9
    assert (finding.threshold, finding.margin) == (THRESHOLD, finding.probability - THRESHOLD)
    assert finding.score == pytest.approx(float(log_odds(np.array(finding.probability))), abs=0.01)


def test_a_finding_names_the_nearest_of_the_whole_bank() -> None:
    [finding] = detect(said("sleep_report")).findings  # no exemplar of its own family there
    assert {n.exemplar.family for n in finding.nearest} == {"age_claim", "abuse_disclosure"}
    assert len(finding.contrasts) == 2
    assert len(finding.nearest) <= NEAREST
    for neighbours in (finding.nearest, finding.contrasts):
        similarities = [n.similarity for n in neighbours]
        assert similarities == sorted(similarities, reverse=True)


def test_a_disclosure_is_no_contrast_to_a_disclosure() -> None:
    near = Exemplar("age_claim-n90", "age_claim", said("abuse_disclosure"), False, "protected")
    misses = [
        Exemplar(f"age_claim-n0{n}", "age_claim", f"{PLAIN} {n}", False, "idiom_or_joke")
        for n in range(4)
    ]
    exemplars = (near, *misses)
    own = ExemplarBank(exemplars, ENCODER.encode([item.text for item in exemplars]))
    [disclosed] = detect(said("abuse_disclosure"), bank=own).findings
    assert len(disclosed.contrasts) == NEAREST
    assert near.id not in [n.exemplar.id for n in disclosed.contrasts]
    [claimed] = detect(said("age_claim"), bank=own).findings
    assert near.id in [n.exemplar.id for n in claimed.contrasts]


def test_how_surely_something_is_stated_is_a_number_of_its_own() -> None:
    [vague] = detect(said("age_claim")).findings
    [sure] = detect(said("age_claim", "surely")).findings
    assert vague.certainty < 0.1
    assert sure.certainty > 0.9


def test_the_same_claim_twice_is_two_findings_and_the_passage_adds_none() -> None:
    found = detect(f"{said('age_claim')} {said('age_claim')}").findings
    assert ids(found) == ["age_claim", "age_claim"]
    assert len({f.statement.start for f in found}) == 2


def test_a_claim_that_only_several_sentences_make_is_carried_by_the_likeliest() -> None:
    units = Units.of([read_message("It was late. I drove. Home is far.")])
    assert len(units.passages) == 1
    plain, slight, clear = ENCODER.encode(
        [PLAIN, f"{PLAIN * 3} age_claim {PLAIN * 3}", said("age_claim")]
    )
    [finding] = detector().detect(units, np.stack([plain, slight, plain, clear])).findings
    assert finding.family == "age_claim"
    assert finding.statement.text == "I drove."
    assert finding.nearest[0].similarity == pytest.approx(1)  # what is explained is the passage


def test_a_passage_with_a_disclosure_in_it_carries_no_claim_of_its_own() -> None:
    units = Units.of([read_message("It was late. He hit me.")])
    plain, hit, claim = ENCODER.encode([PLAIN, said("abuse_disclosure"), said("age_claim")])
    found = detector().detect(units, np.stack([plain, hit, claim])).findings
    assert ids(found) == ["abuse_disclosure"]


# --- disclosures and claims together ---


def test_a_disclosure_removes_the_claim_of_its_statement() -> None:
    text = said("abuse_disclosure", "conflict_account")
    detection = detect(text)
    assert ids(detection.findings) == ["abuse_disclosure"]
    assert detection.claim < THRESHOLD <= detection.claim_before_protected
    assert detection.protected >= THRESHOLD


def test_a_claim_in_another_statement_stays() -> None:
    found = detect(f"{said('abuse_disclosure')} {said('conflict_account')}").findings
    assert set(ids(found)) == {"abuse_disclosure", "conflict_account"}


def test_some_claims_stay_beside_a_disclosure() -> None:
    found = detect(said("risk_disclosure", "surveillance_claim")).findings
    assert set(ids(found)) == {"risk_disclosure", "surveillance_claim"}


def test_where_the_disclosure_is_the_stronger_no_claim_stays() -> None:
    text = said("abuse_disclosure", "abuse_disclosure", "surveillance_claim")
    assert ids(detect(text).findings) == ["abuse_disclosure"]


@pytest.mark.parametrize("threshold", [0.01, 0.1, 0.6])
def test_a_low_threshold_brings_no_doubt_into_a_disclosure(threshold: float) -> None:
    found = detect(
        said("abuse_disclosure", "conflict_account"), thresholds={"conflict_account": threshold}
    ).findings
    assert "conflict_account" not in ids(found)


# --- what the policy sets ---


def test_a_domain_that_is_off_is_not_found_and_its_claims_are_given_to_no_other() -> None:
    others = tuple(d for d in DOMAINS if d != "age_claim")
    detection = detect(said("age_claim"), domains=others)
    assert detection.findings == ()
    assert "age_claim" not in detection.scores
    assert detect(said("age_claim"), domains=("sleep_report",)).findings == ()
    assert ids(detect(said("age_claim"), domains=("age_claim",)).findings) == ["age_claim"]


def test_disclosures_are_found_whatever_is_off() -> None:
    for protected in PROTECTED:
        assert ids(detect(said(protected), domains=("age_claim",)).findings) == [protected]


def test_with_all_domains_off_nothing_is_looked_for() -> None:
    assert detect(said("age_claim"), domains=()) == Detection((), 0.0, 0.0, 0.0, {})


@pytest.mark.parametrize("family", ["age_claim", "abuse_disclosure"])
def test_a_threshold_of_the_policy_holds_for_its_family(family: str) -> None:
    text = said(family)
    probability = detect(text).findings[0].probability
    high, low = {family: probability + 1e-9}, {family: probability - 1e-9}
    assert detect(text, thresholds=high).findings == ()
    [finding] = detect(text, thresholds=low).findings
    assert finding.threshold == low[family]
    assert detect(said("sleep_report"), thresholds=high).findings


def test_what_came_near_is_borderline() -> None:
    own = detector()
    assert not own.is_borderline(detect(PLAIN))
    assert own.is_borderline(detect(said("age_claim")))
    near = Detection((), 0.6 * THRESHOLD, 0.9, 0.0, {})
    assert own.is_borderline(near)
    assert own.is_borderline(Detection((), 0.0, 0.0, 0.5 * THRESHOLD, {}))
    assert not own.is_borderline(Detection((), 0.4 * THRESHOLD, 0.9, 0.4 * THRESHOLD, {}))


# --- exemplars of the user's own ---


def scores(text: str, own: ExemplarBank | None) -> Mapping[str, float]:
    units = Units.of([read_message(text)])
    found = detector(own=own)
    row = found._scores(ENCODER.encode(units.texts))[0]
    return dict(zip(found.heads.names, map(float, row), strict=True))


def test_a_users_exemplar_moves_what_is_near_it_by_at_most_two_log_odds() -> None:
    text = "I only ever sip."
    before = scores(text, None)
    claim = scores(text, bank(("age_claim", text, True)))
    assert claim["age_claim"] - before["age_claim"] == pytest.approx(OWN_GAIN, abs=1e-4)
    assert claim[CLAIM] - before[CLAIM] == pytest.approx(OWN_GAIN, abs=1e-4)
    contrast = scores(text, bank(("age_claim", text, False)))
    assert contrast[CLAIM] - before[CLAIM] == pytest.approx(-OWN_GAIN, abs=1e-4)
    ordinary = scores(text, bank(("ordinary", text, False)))
    assert ordinary[CLAIM] - before[CLAIM] == pytest.approx(-OWN_GAIN, abs=1e-4)
    assert ordinary["age_claim"] == before["age_claim"]


def test_a_users_disclosure_moves_the_disclosures() -> None:
    before, after = scores(PLAIN, None), scores(PLAIN, bank(("abuse_disclosure", PLAIN, True)))
    moved = {name for name in before if after[name] != before[name]}
    assert moved == {"disclosure", "abuse_disclosure"}


def test_a_users_exemplar_does_not_reach_far() -> None:
    own = bank(("age_claim", "entirely different words about nothing here", True))
    assert scores(PLAIN, own) == scores(PLAIN, None)


def test_an_empty_bank_of_the_users_own_changes_nothing() -> None:
    assert scores(PLAIN, bank()) == scores(PLAIN, None)


# --- what always holds ---

phrases = st.lists(
    st.sampled_from([*DOMAINS[:5], "surveillance_claim", *PROTECTED, "surely", "tea", "bread"]),
    min_size=1,
    max_size=3,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(phrases, max_size=4), st.lists(phrases, max_size=2))
def test_what_always_holds_of_a_detection(first: list[list[str]], second: list[list[str]]) -> None:
    messages = [" ".join(said(*p) for p in part) for part in (first, second)]
    detection = detect(*messages)
    assert 0 <= detection.claim <= detection.claim_before_protected <= 1
    margins = [f.margin for f in detection.findings]
    assert margins == sorted(margins, reverse=True)
    assert all(margin >= 0 for margin in margins)
    seen: set[tuple[str, int, int]] = set()
    for finding in detection.findings:
        place = (finding.family, finding.statement.message, finding.statement.start)
        assert place not in seen
        seen.add(place)
        assert 0 <= finding.certainty <= 1
    for message, part in enumerate((first, second)):
        for phrase in part:
            if not set(phrase) & set(DOMAINS):
                for protected in set(phrase) & set(PROTECTED):
                    assert any(
                        f.protected and f.statement.message == message for f in detection.findings
                    ), protected


def test_a_statement_in_an_untested_language_is_not_encoded() -> None:
    reading = read_message(f"Ich habe diese Woche überhaupt nichts getrunken. {PLAIN}")
    units = Units.of([reading])
    assert [s.text for s in units.statements] == [PLAIN]
    assert Finding not in map(type, detector().detect(units, ENCODER.encode(units.texts)).findings)
