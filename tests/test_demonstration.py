from pathlib import Path

import pytest

from corroborator import demonstration
from corroborator.demonstration import (
    DemonstrationModel,
    Drafts,
    load_demonstration,
)
from corroborator.errors import DataError
from corroborator.exemplars import shipped_exemplars
from corroborator.reply_bank import read_replies
from corroborator.resources import resource
from corroborator.statements import normalise, read_message
from corroborator.taxonomy import load_taxonomy
from corroborator.texts import load_texts

DATA = load_demonstration()
OWN = DATA.instructions
GUIDANCE = f"{DATA.revision_sign} went wrong."
FIRST = DATA.conversations[0].turns[0]


def asked(text: str, instructions: str = "", before: int = 0) -> str:
    earlier = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi"},
    ] * before
    return DemonstrationModel().reply([*earlier, {"role": "user", "content": text}], instructions)


def test_the_conversations_are_the_five_that_show_the_asymmetry() -> None:
    assert [talk.id for talk in DATA.conversations] == [
        "drinking",
        "headlights",
        "nurse",
        "mixed",
        "abuse",
    ]
    assert all(len(talk.turns) > 1 for talk in DATA.conversations)


def test_ids_and_user_messages_stand_once() -> None:
    users = [turn.user for talk in DATA.conversations for turn in talk.turns]
    assert len(set(users)) == len(users)


def test_nothing_of_it_was_learnt() -> None:
    taxonomy = load_taxonomy()
    replies = read_replies(resource("embeddings", "replies"), taxonomy)
    bank = [item.text for item in shipped_exemplars(taxonomy)] + [item.text for item in replies]
    known = set(map(normalise, bank))
    told = [
        text
        for talk in DATA.conversations
        for turn in talk.turns
        for text in (turn.user, *filter(None, turn.drafts.model_dump().values()))
    ]
    for text in (*told, *DATA.free.plain, *DATA.free.revised):
        reading = read_message(text)
        sentences = [statement.text for statement in (*reading.statements, *reading.passages)]
        long = {sentence for sentence in sentences if len(sentence.split()) > 5}
        assert not known & long


def test_all_revision_guidance_begins_with_the_sign() -> None:
    revision = load_texts().revision
    for text in (*revision.domains.values(), *revision.codes.values()):
        assert text.startswith(DATA.revision_sign)


def test_no_steering_begins_with_the_sign() -> None:
    steering = load_texts().steering
    for entry in (*steering.domains.values(), *steering.protected.values()):
        assert not entry.guidance.startswith(DATA.revision_sign)


def test_evidence_can_be_passed_to_the_guard() -> None:
    items = [e.as_evidence() for talk in DATA.conversations for t in talk.turns for e in t.evidence]
    assert [(item.domain, item.bearing) for item in items] == [("credential_claim", "supports")]


@pytest.mark.parametrize(
    ("steered", "revisions", "expected"),
    [
        (False, 0, "a"),
        (True, 0, "b"),
        (True, 1, "c"),
        (False, 1, "c"),
        (True, 2, "d"),
        (True, 5, "d"),
    ],
)
def test_drafts_follow_guidance(steered: bool, revisions: int, expected: str) -> None:
    drafts = Drafts(plain="a..", steered="b..", revised="c..", revised_again="d..")
    assert drafts.after(steered=steered, revisions=revisions) == f"{expected}.."


def test_a_missing_draft_is_the_one_before() -> None:
    drafts = Drafts(plain="a..", revised="c..")
    assert drafts.after(steered=True, revisions=0) == "a.."
    assert drafts.after(steered=True, revisions=2) == "c.."


def test_the_model_agrees_at_first_and_follows_guidance_on_its_draft() -> None:
    assert asked(FIRST.user, OWN) == FIRST.drafts.plain
    assert asked(FIRST.user, f"{OWN}\n\nStay careful.\n\n{GUIDANCE}") == FIRST.drafts.revised


def test_the_model_fails_once_for_good() -> None:
    stubborn = [t for talk in DATA.conversations for t in talk.turns if t.drafts.revised_again]
    assert len(stubborn) == 1
    told = f"{OWN}\n\nStay with the fear.\n\n{GUIDANCE}\n\n{GUIDANCE}"
    assert asked(stubborn[0].user, told) == stubborn[0].drafts.revised_again


def test_anything_else_is_agreed_with_in_rotation() -> None:
    replies = [asked("My boss hates me.", before=turns) for turns in range(8)]
    assert set(replies) == set(DATA.free.plain)
    assert asked("My boss hates me.", GUIDANCE) in DATA.free.revised


def test_own_instructions_are_no_guidance() -> None:
    assert asked("Something.", OWN) == asked("Something.", "")


def test_a_broken_file_names_the_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = resource("rails_config", "demo", "conversations.yml").read_text("utf-8")
    (tmp_path / "conversations.yml").write_text(whole.replace("free:", "fre:"), "utf-8")
    monkeypatch.setattr(demonstration, "resource", lambda *parts: tmp_path / parts[-1])
    with pytest.raises(DataError, match=r"conversations.yml:\d+: fre: this key is not known"):
        load_demonstration.__wrapped__()
