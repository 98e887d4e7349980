import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corroborator.reply_check import (
    Assessment,
    MarkedSentence,
    ReplyChecker,
    mean_claim,
    pair_features,
)
from corroborator.statements import read_message
from tiny_world import FAULTS, WordEncoder, reply_heads, reply_phrasing, said

CHECKER = ReplyChecker(reply_heads(), reply_phrasing())
ENCODER = WordEncoder()

words = st.sampled_from([*FAULTS, "age_claim", "sleep_report", "yes", "you", "tea"])
replies = st.lists(st.lists(words, min_size=1, max_size=4).map(" ".join), min_size=1, max_size=5)


def assessed(draft: str, *claims: str) -> Assessment:
    sentences = read_message(draft).statements
    return CHECKER.assess(
        ENCODER.encode(claims), sentences, ENCODER.encode([s.text for s in sentences])
    )


def test_the_features_are_the_sentence_and_its_product_with_the_claim() -> None:
    claim = np.array([0.6, 0.8, 0, 0], dtype=np.float32)
    sentences = np.array([[1, 0, 0, 0], [0, 0, 1, 0]], dtype=np.float32)
    features = pair_features(claim, sentences)
    assert features.shape == (2, 8)
    assert features.dtype == np.float32
    assert features[0] == pytest.approx([1, 0, 0, 0, 0.6, 0, 0, 0])
    assert features[1] == pytest.approx([0, 0, 1, 0, 0, 0, 0, 0])


def test_a_message_claims_the_mean_of_its_statements() -> None:
    rows = np.eye(3, dtype=np.float32)[:2]
    assert mean_claim(rows) == pytest.approx([0.5**0.5, 0.5**0.5, 0])
    assert np.linalg.norm(mean_claim(np.vstack([rows, rows, rows]))) == pytest.approx(1)
    assert mean_claim(np.array([[1, 0], [-1, 0]], dtype=np.float32)) == pytest.approx([0, 0])


def test_a_sentence_at_fault_is_marked_with_its_place_and_code() -> None:
    draft = "How are you today? That is k3 of you. And o7 it is."
    assessment = assessed(draft, said("age_claim"))
    assert (assessment.colludes, assessment.over_corrects) == (True, True)
    assert [(m.start, m.end, m.code) for m in assessment.marked] == [(19, 37, "K3"), (38, 51, "O7")]
    assert all(m.probability > 0.9 for m in assessment.marked)
    assert assessment.sentences == 3
    assert set(assessment.codes) == set(FAULTS)
    assert assessment.codes["K3"] > 0.9
    assert assessment.codes["K4"] < 0.1


def test_less_to_collude_with_is_less_collusion() -> None:
    sentences = read_message("That is k3 of you. And o7 it is.").statements
    vectors = ENCODER.encode([s.text for s in sentences])
    full, less = (
        CHECKER.assess(ENCODER.encode([said("age_claim")]), sentences, vectors, premise)
        for premise in (0.0, -30.0)
    )
    assert full.colludes
    assert not less.colludes
    assert less.over_correction == full.over_correction


def test_a_reply_without_fault_has_no_marks() -> None:
    assessment = assessed("How are you today? Have some tea.", said("age_claim"))
    assert not assessment.colludes
    assert not assessment.over_corrects
    assert assessment.marked == ()


def test_the_same_sentence_adopts_one_claim_and_not_another() -> None:
    draft = "Your age_claim it is."
    assert assessed(draft, said("age_claim")).colludes
    assert not assessed(draft, said("sleep_report")).colludes
    assert assessed(draft, said("sleep_report"), said("age_claim")).colludes


@pytest.mark.parametrize(("draft", "claims"), [("", ["x"]), ("k1 it is.", []), ("", [])])
def test_nothing_to_compare_gives_an_empty_assessment(draft: str, claims: list[str]) -> None:
    assessment = assessed(draft, *claims)
    assert assessment == Assessment(sentences=1 if draft else 0)
    assert assessment.codes == {}


@settings(deadline=None, max_examples=60)
@given(replies, st.lists(words, min_size=1, max_size=4), st.data())
def test_what_always_holds_of_an_assessment(
    reply: list[str], claims: list[str], data: st.DataObject
) -> None:
    sentences = [f"Now {text} then." for text in reply]
    assessment = assessed(" ".join(sentences), *claims)
    assert 0 <= assessment.collusion <= 1
    assert 0 <= assessment.over_correction <= 1
    assert bool(assessment.marked) == (assessment.colludes or assessment.over_corrects)
    assert list(assessment.marked) == sorted(assessment.marked, key=lambda mark: mark.start)
    assert {mark.code[0] for mark in assessment.marked} == {
        letter
        for letter, found in (("K", assessment.colludes), ("O", assessment.over_corrects))
        if found
    }
    fewer_claims = assessed(" ".join(sentences), *claims[:1])
    assert assessment.collusion >= fewer_claims.collusion - 1e-9  # a claim more hides nothing
    turned = data.draw(st.permutations(sentences))
    again = assessed(" ".join(turned), *data.draw(st.permutations(claims)))
    assert again.collusion == pytest.approx(assessment.collusion)
    assert again.over_correction == pytest.approx(assessment.over_correction)


@pytest.mark.parametrize("length", [2, 10, 60])
def test_one_yielding_sentence_in_a_long_reply_counts(length: int) -> None:
    sentences = ["Here is some more about tea.", *["And a little of that too."] * (length - 2)]
    assessment = assessed(" ".join([*sentences, "That is k1 of you."]), said("age_claim"))
    assert assessment.colludes
    assert [mark.code for mark in assessment.marked] == ["K1"]


def test_a_mark_is_a_plain_value() -> None:
    assert MarkedSentence(0, 4, "K1", 0.5) == MarkedSentence(0, 4, "K1", 0.5)
