import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from conftest import GuardOf
from corroborator import Evidence, Guard
from corroborator.audit import AuditLog, MasterKey, StoredTurn
from corroborator.audit.canonical import canonical
from corroborator.record import opened_of
from corroborator.resources import resource
from tiny_world import CANARY, DOMAINS, PROTECTED, conversation, said

PLAIN = "I went to the shop for some bread."
ADOPTS, GOOD = "That is k1 of you.", "What a day you had."
GERMAN = "Ich habe diese Woche überhaupt nichts getrunken."
NONE = "audit: {store: null}"
SEALED = "profile: clinical\naudit: {store: sqlite:///unused.db}"
OBSERVE = "profile: observe\naudit: {store: null}"
SCHEMA = json.loads(resource("rails_config", "schema", "record.schema.json").read_text("utf-8"))
CHECK = jsonschema.Draft202012Validator(SCHEMA)
KNOWN = [Evidence("age_claim", "the account", "born in 2012", "contradicts")]

Turning = Callable[[Guard], object]


def plain(guard: Guard) -> None:
    guard.open_turn([{"role": "user", "content": f"{PLAIN} {GERMAN}"}]).close(GOOD)


def revised(guard: Guard) -> None:
    turn = guard.open_turn(conversation(said("age_claim")), conversation="c", evidence=KNOWN)
    for draft in (ADOPTS, GOOD):
        turn.check(draft)
    turn.close(GOOD)


def replaced(guard: Guard) -> None:
    turn = guard.open_turn(conversation(said("risk_disclosure", "surveillance_claim")))
    text = ""
    for _ in range(3):
        text = turn.check(ADOPTS).text
    turn.close(text)


def unchecked(guard: Guard) -> None:
    guard.open_turn(conversation(said("age_claim"), GOOD, PLAIN)).close(ADOPTS)


def without_reply(guard: Guard) -> None:
    guard.open_turn([], conversation="c").close()


def of_the_past(guard: Guard) -> None:
    guard.open_turn(conversation(said("age_claim")), retrospective=True).close(ADOPTS)


def repeated(guard: Guard) -> None:
    state = guard.open_turn(conversation(said("age_claim"))).close(GOOD).state
    guard.open_turn(conversation(said("age_claim")), state=state).close(GOOD)


TURNS: list[Turning] = [
    plain,
    revised,
    replaced,
    unchecked,
    without_reply,
    of_the_past,
    repeated,
]


@pytest.fixture
def sealing(tmp_path: Path) -> Iterator[AuditLog]:
    url = f"sqlite:///{tmp_path / 'sealed.db'}"
    with AuditLog.open(url, content="sealed", master_key=MasterKey(bytes(range(32)))) as log:
        yield log


def lines(log: AuditLog) -> list[dict[str, Any]]:
    out = io.BytesIO()
    log.export(out, with_text=True)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def last(log: AuditLog) -> StoredTurn:
    return list(log.records())[-1]


def detail(guard: Guard, turning: Turning) -> Any:
    turning(guard)
    return last(guard.audit).detail


@pytest.mark.parametrize("policy", [NONE, SEALED, OBSERVE])
def test_every_record_is_as_the_schema_says(
    guard_of: GuardOf, sealing: AuditLog, policy: str
) -> None:
    guard = guard_of(policy, sealing if policy is SEALED else None)
    for turning in TURNS:
        turning(guard)
    found = lines(guard.audit)
    assert len(found) > len(TURNS)
    for line in found:
        CHECK.validate(line)
    assert guard.audit.verify().ok


@pytest.mark.parametrize("turning", TURNS)
def test_the_chain_holds_nothing_about_the_person(guard: Guard, turning: Turning) -> None:
    turning(guard)
    for stored in guard.audit.records():
        assert stored.closed is not None
        assert set(stored.opened.body) == {"versions", "writer"}
        assert set(stored.closed.body) == {
            *("action", "milliseconds", "errors", "versions"),
            *("opened", "content", "commitment"),
        }
        chained = canonical([stored.opened.body, stored.closed.body]).decode()
        for family in (*DOMAINS, *PROTECTED):
            assert family not in chained
        for word in ("evening", "bread", "born", GERMAN[:10]):
            assert word not in chained


def test_bodies_and_details_are_json(guard: Guard) -> None:
    turn = guard.open_turn(conversation(said("age_claim")))
    canonical(opened_of(guard.engine))
    turn.close(GOOD)
    assert canonical(last(guard.audit).detail)


@pytest.mark.parametrize(
    ("turning", "policy", "action"),
    [
        (plain, NONE, "none"),
        (revised, NONE, "revised"),
        (replaced, NONE, "replaced"),
        (unchecked, NONE, "none"),
        (without_reply, NONE, "none"),
        (repeated, NONE, "steered"),
        (of_the_past, NONE, "none"),
        (revised, OBSERVE, "none"),
    ],
)
def test_the_action_is_what_was_done_and_not_what_was_judged(
    guard_of: GuardOf, turning: Turning, policy: str, action: str
) -> None:
    guard = guard_of(policy)
    turning(guard)
    stored = last(guard.audit)
    assert stored.closed is not None
    assert stored.closed.body["action"] == action
    assert stored.chain in {row.chain for row in guard.audit.records(action=action)}


def test_a_detail_tells_what_was_judged_without_text(guard: Guard) -> None:
    found = detail(guard, revised)
    [finding] = found["findings"]
    text = said("age_claim")
    assert (finding["id"], finding["start"], finding["end"]) == ("age_claim", 0, len(text))
    assert finding["margin"] == pytest.approx(finding["probability"] - finding["threshold"])
    assert finding["reliance"] == guard.engine.taxonomy.domains["age_claim"].reliance
    assert len(finding["nearest"]) == len(finding["contrasts"]) == 3
    assert found["evidence"] == [{"domain": "age_claim", "bearing": "contradicts"}]
    assert [d["kind"] for d in found["drafts"]] == ["revise", "release"]
    [mark] = found["drafts"][0]["marked"]
    assert (mark["start"], mark["end"], mark["code"]) == (0, len(ADOPTS), "K1")
    assert found["reply"]["checked"] == "checked"
    assert found["reply"]["characters"] == len(GOOD)
    assert found["ledger_before"]["turn"] == 0
    assert found["ledger_after"]["threads"][0]["status"] == "contradicted"
    assert found["steering_words"] > 10
    assert set(found["scores"]) == {
        *("claim", "claim_before_protected", "disclosure"),
        *DOMAINS,
        *PROTECTED,
    }
    for word in ("evening", "born", "k1", "shop"):
        assert word not in json.dumps(found)


def test_what_was_not_read_is_counted(guard: Guard) -> None:
    found = detail(guard, plain)
    assert found["languages"] == {"en": 1, "de": 1}
    assert (found["statements"], found["not_covered"], found["unread"]) == (1, 1, 0)


def test_a_replacement_is_not_judged(guard: Guard) -> None:
    found = detail(guard, replaced)
    assert set(found["reply"]) == {"checked", "characters"}
    assert found["reply"]["checked"] == "replacement"
    assert found["decision"]["protected"] == ["risk_disclosure"]


def test_adoption_is_in_the_ledger_after_and_only_of_this_turns_claims(guard: Guard) -> None:
    found = detail(guard, unchecked)
    assert found["reply"]["colludes"] is True
    assert [t["adopted"] for t in found["ledger_after"]["threads"]] == [0]
    other = detail(guard, of_the_past)
    assert [t["adopted"] for t in other["ledger_after"]["threads"]] == [1]


def test_the_index_has_a_row_for_each_family_and_one_for_a_turn_without(guard: Guard) -> None:
    replaced(guard)
    plain(guard)
    for family in ("risk_disclosure", "surveillance_claim"):
        assert len(list(guard.audit.records(domain=family))) == 1
    assert list(guard.audit.records(domain="age_claim")) == []
    assert len(list(guard.audit.records(action="none"))) == 1


# --- sealed content ---


def _sealed(guard: Guard) -> Mapping[str, Any]:
    stored = last(guard.audit)
    assert stored.text is not None
    return stored.text


def test_what_is_sealed_suffices_to_decide_again(guard_of: GuardOf, sealing: AuditLog) -> None:
    guard = guard_of(SEALED, sealing)
    text = f"{said('age_claim')} {GERMAN} {PLAIN}"
    turn = guard.open_turn(
        [{"role": "system", "content": "S."}, {"role": "user", "content": text}], evidence=KNOWN
    )
    for draft in (ADOPTS, GOOD):
        turn.check(draft)
    turn.close(GOOD)
    found = _sealed(guard)
    assert found["messages"] == [{"position": 1, "text": text}]
    statements = [text[start:end] for _, start, end in found["statements"]]
    assert statements == [said("age_claim"), PLAIN]
    assert len(found["passages"]) == 1
    assert found["steering"] == turn.steering
    assert [d["text"] for d in found["drafts"]] == [ADOPTS, GOOD]
    assert found["drafts"][0]["guidance"]
    assert found["reply"] == GOOD
    assert found["evidence"][0]["text"] == "born in 2012"
    data = np.frombuffer(base64.b64decode(found["vectors"]["data"], validate=True), "<f4")
    vectors = data.reshape(found["vectors"]["shape"])
    assert (vectors == turn.outcome.vectors).all()


def test_no_text_is_in_the_file_of_a_store(guard_of: GuardOf, tmp_path: Path) -> None:
    for name, content, policy in (("none.db", "none", NONE), ("sealed.db", "sealed", SEALED)):
        path = tmp_path / name
        key = MasterKey(bytes(32)) if content == "sealed" else None
        with AuditLog.open(f"sqlite:///{path}", content=content, master_key=key) as log:  # type: ignore[arg-type]
            guard = guard_of(policy, log)
            known = [Evidence("age_claim", "the account", CANARY, "contradicts")]
            turn = guard.open_turn(
                conversation(f"{said('age_claim')} I am {CANARY}."),
                conversation=CANARY,
                subject=CANARY,
                evidence=known,
            )
            turn.check(f"k1, {CANARY}.")
            turn.close(f"Well, {CANARY}.")
            stored = b"".join(file.read_bytes() for file in tmp_path.glob(f"{name}*"))
            assert len(stored) > 1000
            assert CANARY.encode() not in stored


def test_an_erased_conversation_loses_its_details(guard_of: GuardOf, sealing: AuditLog) -> None:
    guard = guard_of(SEALED, sealing)
    revised(guard)
    sealing.erase("c")
    [stored] = sealing.records()
    assert (stored.detail, stored.text) == (None, None)
    assert sealing.verify().ok


def test_a_turn_that_is_closed_after_its_erasure_keeps_nothing(
    guard_of: GuardOf, sealing: AuditLog
) -> None:
    guard = guard_of(SEALED, sealing)
    turn = guard.open_turn(conversation(said("age_claim")), conversation="c")
    sealing.erase("c")
    assert turn.close(GOOD).record is not None
    [stored] = sealing.records()
    assert (stored.detail, stored.text) == (None, None)
