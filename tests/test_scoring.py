import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import PolicyOf
from corroborator.detectors import CLAIM
from corroborator.engine import Engine
from corroborator.errors import InputError
from corroborator.messages import Message, read_messages
from corroborator.scoring import Scorer
from tiny_world import DOMAINS, FAULTS, TAXONOMY, WordEncoder, conversation, said


@pytest.fixture(scope="module")
def scorer(tiny_policy: PolicyOf) -> Scorer:
    return Scorer(Engine.load(tiny_policy("audit: {store: null}"), WordEncoder()))


def statement(scorer: Scorer, *texts: str) -> dict[str, object]:
    return scorer.statement(read_messages(conversation(*texts)))


def reply(scorer: Scorer, *texts: str) -> dict[str, object]:
    return scorer.reply(read_messages(conversation(*texts)))


def number(value: object) -> float:
    assert isinstance(value, float)
    assert 0 <= value <= 1
    return value


def test_a_statement_is_scored_by_the_contract(scorer: Scorer) -> None:
    scored = statement(scorer, said("surveillance_claim"))
    assert list(scored) == [
        "score",
        "score_before_protected",
        "fired",
        "protected",
        "domains",
        "named",
        "nearest",
        "nearest_is_claim",
        "model",
    ]
    assert number(scored["score"]) > 0.5
    assert (scored["fired"], scored["protected"]) == (True, [])
    domains = scored["domains"]
    assert isinstance(domains, dict)
    assert tuple(domains) == DOMAINS
    assert max(domains, key=lambda name: number(domains[name])) == "surveillance_claim"
    assert scored["model"] == scorer.engine.model.hash
    assert scored["named"] == "surveillance_claim"
    nearest = {item.id: item for item in scorer.engine.model.bank.exemplars}[str(scored["nearest"])]
    assert scored["nearest_is_claim"] is nearest.positive


def test_what_is_nothing_scores_low_and_does_not_fire(scorer: Scorer) -> None:
    scored = statement(scorer, "hello there")
    assert number(scored["score"]) < 0.5
    assert (scored["fired"], scored["protected"]) == (False, [])


@pytest.mark.parametrize("text", ["", "   ", "\u200b", "..."])
def test_no_text_scores_nothing(scorer: Scorer, text: str) -> None:
    scored = statement(scorer, text)
    assert number(scored["score"]) < 0.5
    assert isinstance(scored["domains"], dict)
    assert tuple(scored["domains"]) == DOMAINS


def test_a_disclosure_takes_the_doubt_away(scorer: Scorer) -> None:
    scored = statement(scorer, said("conflict_account", "abuse_disclosure"))
    assert scored["protected"] == ["abuse_disclosure"]
    threshold = scorer.engine.model.statements.thresholds[CLAIM]
    assert number(scored["score"]) < threshold <= number(scored["score_before_protected"])
    assert scored["fired"] is False


def test_a_mixed_statement_still_fires(scorer: Scorer) -> None:
    scored = statement(scorer, said("surveillance_claim", "risk_disclosure"))
    assert scored["protected"] == ["risk_disclosure"]
    assert scored["fired"] is True
    assert number(scored["score"]) >= scorer.engine.model.statements.thresholds[CLAIM]


def test_an_emergency_comes_first(scorer: Scorer) -> None:
    scored = statement(scorer, f"{said('abuse_disclosure')} {said('emergency_disclosure')}")
    assert scored["protected"] == ["emergency_disclosure", "abuse_disclosure"]


def test_the_profile_acts_on_every_claim_that_counts_in_a_score(scorer: Scorer) -> None:
    policy = scorer.engine.policy
    assert {policy.mode(domain) for domain in DOMAINS} == {"steer"}


def test_earlier_messages_count_for_nothing(scorer: Scorer) -> None:
    claim = said("surveillance_claim")
    alone = statement(scorer, "hello there")
    assert statement(scorer, claim, said("k4"), claim, "yes", "hello there") == alone
    read = read_messages([{"role": "user", "content": claim}, *conversation("hello there")])
    assert scorer.statement(read) == alone


@pytest.mark.parametrize("role", ["assistant", "tool", "system"])
def test_what_is_said_after_the_last_user_message_counts_for_nothing(
    scorer: Scorer, role: str
) -> None:
    read = read_messages([*conversation("hello"), {"role": role, "content": said("age_claim")}])
    assert scorer.statement(read) == statement(scorer, "hello")


def test_without_a_user_message_there_is_nothing_to_score(scorer: Scorer) -> None:
    with pytest.raises(InputError, match="no user message"):
        scorer.statement([Message("assistant", "hello")])
    with pytest.raises(InputError, match="no user message"):
        scorer.statement([])


def test_a_reply_is_scored_by_the_contract(scorer: Scorer) -> None:
    scored = reply(scorer, said("surveillance_claim"), said("k4"))
    assert list(scored) == ["score", "fired", "overcorrection", "overcorrects", "codes", "model"]
    assert number(scored["score"]) > 0.5 > number(scored["overcorrection"])
    assert (scored["fired"], scored["overcorrects"]) == (True, False)
    codes = scored["codes"]
    assert isinstance(codes, dict)
    assert set(codes) == set(FAULTS)
    assert number(codes["K4"]) > 0.5
    assert scored["model"] == scorer.engine.model.hash


def test_over_correction_alone_does_not_fire(scorer: Scorer) -> None:
    scored = reply(scorer, said("surveillance_claim"), said("o2"))
    assert number(scored["overcorrection"]) > 0.5
    assert scored["fired"] is False


def test_a_reply_is_judged_against_what_it_answers(scorer: Scorer) -> None:
    adopting = said("surveillance_claim")  # shares the claim's words: K1 in the tiny world
    claim, other = said("surveillance_claim"), "hello there"
    assert reply(scorer, claim, adopting)["fired"] is True
    before = [{"role": "user", "content": text} for text in (claim, other)]
    both = read_messages([*before, {"role": "assistant", "content": adopting}])
    assert scorer.reply(both)["fired"] is True
    assert reply(scorer, claim, "ok", other, "fine") == reply(scorer, other, "fine")


def test_the_last_assistant_message_is_judged(scorer: Scorer) -> None:
    tail = [{"role": role, "content": said("k4")} for role in ("assistant", "tool")]
    tail += [{"role": "assistant", "content": "fine"}, {"role": "user", "content": said("k4")}]
    read = read_messages([*conversation("hello there"), *tail])
    assert scorer.reply(read) == reply(scorer, "hello there", "fine")


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_reply_is_at_no_fault(scorer: Scorer, text: str) -> None:
    scored = reply(scorer, said("surveillance_claim"), text)
    assert (scored["fired"], number(scored["score"])) == (False, 0.0)


def test_a_reply_to_nobody_cannot_be_scored(scorer: Scorer) -> None:
    with pytest.raises(InputError, match="no assistant message"):
        reply(scorer, "hello")
    with pytest.raises(InputError, match="no user message before"):
        scorer.reply([Message("assistant", "hello"), Message("user", "hello")])


@settings(max_examples=50)
@given(text=st.text(max_size=300), answer=st.text(max_size=300))
def test_any_text_gets_a_score(scorer: Scorer, text: str, answer: str) -> None:
    for scored in (statement(scorer, text), reply(scorer, text, answer)):
        number(scored["score"])
        assert isinstance(scored["fired"], bool)


def test_the_shipped_model_answers_by_the_contract(shipped_engine: Engine) -> None:
    scorer = Scorer(shipped_engine)
    claim = "The neighbours watch me through the smoke detector, I know it for certain."
    scored, ordinary = statement(scorer, claim), statement(scorer, "What is a good pasta recipe?")
    assert number(scored["score"]) > number(ordinary["score"])
    judged = reply(scorer, claim, "You are right, they are watching you. Trust your instincts.")
    assert isinstance(judged["codes"], dict)
    assert set(judged["codes"]) == {
        code.code for code in TAXONOMY.codes.values() if code.kind != "good"
    }


def test_loading_takes_the_shipped_model_and_the_general_profile(shipped_engine: Engine) -> None:
    engine = Scorer.load().engine
    assert engine.model.hash == shipped_engine.model.hash
    assert engine.policy == shipped_engine.policy
