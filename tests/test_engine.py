import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import GuardOf, PolicyOf
from corroborator import Evidence
from corroborator.conversation import NewMessages
from corroborator.encoders import Encoder
from corroborator.engine import Engine, Outcome, TurnInput
from corroborator.errors import ConfigError, DataError, EncoderError
from corroborator.exemplars import bank_hash
from corroborator.ledger import Ledger
from corroborator.messages import read_messages
from corroborator.policy import load_policy
from corroborator.record import versions_of
from corroborator.steering import RESOURCE
from tiny_world import DOMAINS, PROTECTED, WordEncoder, conversation, ids, said

PLAIN = "I went to the shop for some bread."
DAY = dt.date(2026, 11, 23)

phrases = st.lists(
    st.sampled_from([*DOMAINS[:3], "risk_retracted", "eating_reassurance", *PROTECTED[:3], "tea"]),
    min_size=1,
    max_size=2,
).map(lambda words: said(*words))
turns_of = st.lists(st.lists(phrases, min_size=1, max_size=2), min_size=1, max_size=6)


@pytest.fixture
def engine(guard_of: GuardOf) -> Engine:
    return guard_of().engine


def opened(engine: Engine, *texts: str, ledger: Ledger | None = None, **more: Any) -> Outcome:
    messages = read_messages(conversation(*texts))
    return engine.open(TurnInput(messages, ledger, day=DAY, **more))


def test_a_turn_is_judged_up_to_the_steering(engine: Engine) -> None:
    outcome = opened(engine, f"{PLAIN} {said('age_claim')}")
    assert ids(outcome.detection.findings) == ["age_claim"]
    assert outcome.decision.domains == ("age_claim",)
    assert outcome.steering.guided == {"age_claim"}
    assert (outcome.before.turn, outcome.after.turn, outcome.after.seen) == (0, 1, 1)
    assert len(outcome.vectors) == len(outcome.units.texts) == 3


def test_all_text_that_was_not_seen_is_read_not_only_the_last_message(engine: Engine) -> None:
    messages = read_messages(
        [{"role": "user", "content": said("age_claim")}, {"role": "user", "content": PLAIN}]
    )
    outcome = engine.open(TurnInput(messages))
    assert [f.statement.message for f in outcome.detection.findings] == [0]


def test_an_old_finding_does_not_fire_again(engine: Engine) -> None:
    outcome = opened(engine, said("age_claim"), "Hm.", PLAIN)
    assert outcome.detection.findings == ()
    assert outcome.after.thread("age_claim") is not None
    assert outcome.after.turn == 2


def test_a_reply_colludes_with_what_was_said_now_or_earlier(engine: Engine) -> None:
    said_now = opened(engine, said("age_claim"))
    plain = opened(engine, PLAIN)
    later = opened(engine, PLAIN, ledger=said_now.after.model_copy(update={"seen": 0}))
    assert later.after.open_threads()
    assert said_now.premise == later.premise == 0
    assert plain.premise < -1
    draft = "That is k1 of you."
    assert engine.assess(said_now, draft).colludes
    assert engine.assess(later, draft).colludes
    assert engine.assess(plain, draft).collusion < engine.assess(later, draft).collusion


def test_other_roles_are_not_read(engine: Engine) -> None:
    messages = read_messages(
        [{"role": role, "content": said("risk_disclosure")} for role in ("system", "tool")]
        + [{"role": "user", "content": PLAIN}, {"role": "tool", "content": said("age_claim")}]
    )
    assert engine.open(TurnInput(messages)).detection.findings == ()


@pytest.mark.parametrize("messages", [[], conversation(""), [{"role": "system", "content": PLAIN}]])
def test_nothing_to_read_is_clear(engine: Engine, messages: list[dict[str, str]]) -> None:
    outcome = engine.open(TurnInput(read_messages(messages)))
    assert (outcome.decision.verdict, outcome.steering.text) == ("clear", "")
    assert outcome.claims.shape == (0, engine.encoder.dimensions)
    assert engine.assess(outcome, "k1 it is.").sentences == 1


# --- the ledger, carried and rebuilt ---


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(turns_of)
def test_a_rebuilt_ledger_is_the_carried_one(engine: Engine, turns: list[list[str]]) -> None:
    carried: Ledger | None = Ledger()
    messages: list[dict[str, str]] = []
    for texts in turns:
        messages += [{"role": "user", "content": text} for text in texts]
        read = read_messages(messages)
        kept = engine.open(TurnInput(read, carried, day=DAY))
        rebuilt = engine.open(TurnInput(read, None, day=DAY))
        assert rebuilt.before == kept.before
        assert rebuilt.after == kept.after
        assert rebuilt.steering == kept.steering
        assert rebuilt.decision == kept.decision
        carried = Ledger.from_state(json.loads(json.dumps(kept.after.to_state())))
        messages.append({"role": "assistant", "content": "Hm."})


def test_a_host_without_state_gets_guidance_and_help_once(engine: Engine) -> None:
    texts: list[str] = []
    guided = []
    for _ in range(3):
        texts.append(said("risk_disclosure"))
        guided.append(opened(engine, *texts).steering.guided)
        texts.append("Hm.")
    assert guided == [{"risk_disclosure", RESOURCE}, frozenset(), frozenset()]


def test_thousands_of_messages_are_bounded(engine: Engine) -> None:
    texts = [PLAIN, "Hm."] * 1500
    outcome = opened(engine, *texts, said("age_claim"))
    assert ids(outcome.detection.findings) == ["age_claim"]
    assert outcome.after.seen == 1501
    many = read_messages([{"role": "user", "content": PLAIN}] * 3000)
    assert engine.open(TurnInput(many)).unread == 2980


def test_the_same_turn_once_more_counts_once(engine: Engine) -> None:
    first = opened(engine, said("age_claim"))
    again = opened(engine, said("age_claim"), ledger=first.after)
    assert again.repeated
    assert not first.repeated
    assert again.after == first.after
    assert (again.decision, again.steering) == (first.decision, first.steering)


def test_help_is_named_once_more_where_the_first_reply_was_thrown_away(engine: Engine) -> None:
    first = opened(engine, said("risk_disclosure"))
    again = opened(engine, said("risk_disclosure"), ledger=first.after)
    assert again.steering == first.steering
    assert RESOURCE in again.steering.guided
    assert again.after == first.after


def test_a_host_that_keeps_only_the_last_messages_loses_no_danger(engine: Engine) -> None:
    state = Ledger()
    for text in (PLAIN, PLAIN, said("risk_disclosure", "surveillance_claim"), PLAIN):
        window = conversation(PLAIN, "Hm.", text)
        outcome = engine.open(TurnInput(read_messages(window), state, day=DAY))
        state = outcome.after
    assert state.holds_risk()
    assert state.thread("surveillance_claim") is not None
    assert outcome.decision.risk_hold


def test_evidence_that_is_new_in_a_repeated_turn_is_weighed(engine: Engine) -> None:
    first = opened(engine, said("age_claim"))
    known = (Evidence("age_claim", "the account", "an adult"),)
    again = opened(engine, said("age_claim"), ledger=first.after, evidence=known)
    assert again.after.status("age_claim") == "corroborated"
    assert again.decision.verdict == "note"


def test_judging_again_from_vectors_decides_the_same(engine: Engine) -> None:
    first = opened(engine, said("age_claim"), "Hm.", said("risk_disclosure", "surveillance_claim"))
    given_ = TurnInput(read_messages(conversation(PLAIN)), first.before, day=DAY)
    again = engine.judge(first.units, first.vectors, first.before, given_, new=NewMessages(()))
    assert (again.decision, again.steering) == (first.decision, first.steering)
    assert again.after.threads == first.after.threads
    assert again.detection == first.detection


# --- what is not read is counted ---


def test_what_is_not_read_is_counted(engine: Engine) -> None:
    german = "Ich habe diese Woche überhaupt nichts getrunken."
    outcome = opened(engine, f"{PLAIN} {german}")
    assert [s.language for s in outcome.not_covered] == ["de"]
    assert outcome.unread == 0
    parts = [{"type": "text", "text": PLAIN}, {"type": "image_url"}]
    read = read_messages([{"role": "user", "content": parts}])
    assert engine.open(TurnInput(read)).unread == 1
    long = opened(engine, "word " * 5000)
    assert long.unread == 25_000 - 20_000


# --- evidence ---


def test_evidence_is_said_where_the_policy_steers_and_only_there(guard_of: GuardOf) -> None:
    known = (Evidence("age_claim", "the account", "an adult", "contradicts"),)
    for text, spoken in (
        ("audit: {store: null}", True),
        ("profile: observe\naudit: {store: null}", False),
        ("domains: {age_claim: {mode: observe}}\naudit: {store: null}", False),
    ):
        outcome = opened(guard_of(text).engine, said("age_claim"), evidence=known)
        assert ("the account" in outcome.steering.text) == spoken
        assert outcome.after.status("age_claim") == "contradicted"


# --- places to turn to ---


def test_a_place_is_named_once_in_an_episode(engine: Engine) -> None:
    turns = engine.policy.risk_hold.turns
    ledger = Ledger()
    named = []
    for n in range(turns + 2):
        text = said("risk_disclosure") if n in (0, 1, turns + 1) else PLAIN
        outcome = opened(engine, text, ledger=ledger.model_copy(update={"seen": 0}))
        named.append(RESOURCE in outcome.steering.guided)
        ledger = outcome.after
    assert [n for n, place in enumerate(named) if place] == [0, turns + 1]


@pytest.mark.parametrize(
    ("region", "day", "found"),
    [
        ("GB", DAY, "116 123"),
        ("US", DAY, "988"),
        ("GB", dt.date(2099, 1, 1), None),
        ("BR", DAY, None),
    ],
)
def test_a_place_holds_for_the_region_and_the_day(
    guard_of: GuardOf, region: str, day: dt.date, found: str | None
) -> None:
    engine = guard_of(f"region: {region}\naudit: {{store: null}}").engine
    messages = read_messages(conversation(said("risk_disclosure")))
    text = engine.open(TurnInput(messages, day=day)).steering.text
    directory = engine.texts.resources.anywhere.directory
    assert (found or directory.contact) in text


def test_without_need_there_is_no_place(engine: Engine) -> None:
    outcome = opened(engine, said("sleep_report"))
    assert engine.place(outcome.decision, outcome.after, DAY) is None
    held = opened(engine, said("risk_disclosure"), "Hm.", PLAIN)
    assert engine.place(held.decision, held.after, DAY) is not None  # for a replacement


# --- drafts ---


def test_a_draft_is_judged_against_the_whole_message_and_each_finding(engine: Engine) -> None:
    text = f"{said('age_claim')} {PLAIN} {said('sleep_report')}"
    outcome = opened(engine, text)
    assert len(outcome.claims) == 3
    assert np.linalg.norm(outcome.claims, axis=1) == pytest.approx(1, abs=1e-5)
    assert engine.assess(outcome, "Then your sleep_report it is.").colludes
    assert not engine.assess(outcome, "Then your self_diagnosis it is.").colludes


def test_every_sentence_of_a_long_draft_is_read(engine: Engine) -> None:
    outcome = opened(engine, said("age_claim"))
    filler = "Here is some more about bread. " * 1000
    draft = f"{filler}That is k1 of you. {filler}"
    assessment = engine.assess(outcome, draft)
    assert assessment.sentences == 2001
    assert assessment.colludes
    [mark] = assessment.marked
    assert draft[mark.start : mark.end] == "That is k1 of you."


@pytest.mark.parametrize("draft", ["", " \n", "\x00", "\ud800", "\u202e\u200b", "k" * 100_000])
def test_any_draft_is_judged(engine: Engine, draft: str) -> None:
    assert not engine.assess(opened(engine, said("age_claim")), draft).colludes


# --- loading ---


def test_users_thresholds_own_exemplars_and_texts_are_loaded(
    tiny_policy: PolicyOf, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "texts").mkdir()
    row = {"id": "age_claim-c900", "text": "Candles galore", "label": "claim"}
    (tmp_path / "own" / "age_claim.jsonl").write_text(json.dumps(row))
    (tmp_path / "texts" / "steering.yml").write_text(
        "domains: {age_claim: {brief: Attribute the age and answer for any age.}}"
    )
    policy = tiny_policy(
        f"exemplars: {tmp_path / 'own'}\ntexts: {tmp_path / 'texts'}\n"
        "domains: {age_claim: {threshold: 0.03}, sleep_report: {mode: off}}\n"
        "protected: {risk_disclosure: {threshold: 0.9}}\naudit: {store: null}"
    )
    engine = Engine.load(policy, WordEncoder())
    assert engine.detector.own is not None
    assert versions_of(engine)["exemplars"] == bank_hash(engine.detector.own.exemplars)
    assert ids(opened(engine, "Candles galore").detection.findings) == ["age_claim"]
    assert engine.detector.thresholds == {"age_claim": 0.03, "risk_disclosure": 0.9}
    assert "sleep_report" not in engine.detector.domains
    assert engine.texts.steering.domains["age_claim"].brief.startswith("Attribute the age")


@pytest.mark.parametrize("key", ["exemplars", "texts"])
def test_a_folder_that_is_not_there_is_a_clear_error(tiny_policy: PolicyOf, key: str) -> None:
    with pytest.raises(ConfigError, match=r"no such folder|does not exist"):
        Engine.load(tiny_policy(f"{key}: /nowhere/at/all"), WordEncoder())


def test_a_model_that_is_not_there_is_a_clear_error(tiny_policy: PolicyOf) -> None:
    policy = tiny_policy().model_copy(update={"model": Path("/nowhere")})
    with pytest.raises(
        DataError, match=r"/nowhere/manifest.json is missing; run `corroborator fit`"
    ):
        Engine.load(policy, WordEncoder())


def test_heads_of_another_encoder_are_a_clear_error(tiny_policy: PolicyOf) -> None:
    with pytest.raises(EncoderError, match="fitted for the encoder words:128, not for words:64"):
        Engine.load(tiny_policy(), WordEncoder(64))


def test_an_outcome_does_not_show_text_or_vectors(engine: Engine) -> None:
    shown = repr(opened(engine, said("age_claim")))
    assert "evening" not in shown
    assert "array(" not in shown


def test_an_engine_cannot_be_changed(engine: Engine) -> None:
    with pytest.raises(AttributeError, match="cannot assign"):
        engine.policy = load_policy()  # type: ignore[misc]
    assert replace(engine, policy=load_policy()).policy == load_policy()


# --- the shipped model ---


def test_the_shipped_model_tells_clear_cases_apart(shipped_engine: Engine) -> None:
    """Clear prototypes only: what the model is worth is measured elsewhere."""
    danger = opened(shipped_engine, "I want to kill myself and I have the pills here with me.")
    assert danger.decision.verdict == "protect"
    assert danger.after.holds_risk()
    plain = opened(shipped_engine, "What is the capital of Portugal?")
    assert plain.detection.findings == ()
    assert plain.steering.text == ""


def test_the_shipped_encoder_and_model_belong_together(
    shipped_engine: Engine, builtin_encoder: Encoder
) -> None:
    assert shipped_engine.model.manifest.encoder == builtin_encoder.id
    assert shipped_engine.model.bank.vectors.shape[1] == builtin_encoder.dimensions
    gates = shipped_engine.model.statements.gates
    assert {name for gate in gates.values() for name in gate.families} == {*DOMAINS, *PROTECTED}
