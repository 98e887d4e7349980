from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import GuardOf
from corroborator import Evidence, Guard
from corroborator.audit import AuditLog, MasterKey, StoredTurn
from corroborator.record import versions_of
from corroborator.stored_record import (
    SealedText,
    StoredVectors,
    read_detail,
    read_text,
    read_versions,
)
from tiny_world import CANARY, conversation, said


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    url, key = f"sqlite:///{tmp_path}/log.db", MasterKey(bytes(32))
    with AuditLog.open(url, content="sealed", master_key=key) as opened:
        yield opened


@pytest.fixture
def sealed(guard_of: GuardOf, log: AuditLog, tmp_path: Path) -> Guard:
    return guard_of(
        f"audit: {{store: 'sqlite:///{tmp_path}/unused.db', content: sealed}}", audit=log
    )


@pytest.fixture
def turn(sealed: Guard, log: AuditLog) -> StoredTurn:
    claim = said("surveillance_claim")
    evidence = [Evidence("credential_claim", "the sign-in", "a nurse")]
    opened = sealed.open_turn(conversation(f"{CANARY}. {claim}"), evidence=evidence)
    opened.check(said("k4"))
    opened.close("fine")
    [stored] = log.records()
    return stored


def text_of(turn: StoredTurn) -> SealedText:
    text = read_text(turn)
    assert text is not None
    return text


def test_what_was_judged_is_read_back(turn: StoredTurn) -> None:
    detail = read_detail(turn)
    assert detail is not None
    [finding] = detail.findings
    assert (finding.id, finding.protected, finding.message) == ("surveillance_claim", False, 0)
    assert finding.margin == pytest.approx(finding.probability - finding.threshold, abs=1e-3)
    assert len(finding.nearest) == len(finding.contrasts) == 3
    assert detail.decision.verdict == "steer"
    assert [draft.kind for draft in detail.drafts] == ["revise"]
    assert [mark.code for mark in detail.drafts[0].marked] == ["K4"]
    assert detail.reply is not None
    assert (detail.reply.checked, detail.reply.characters) == ("after_release", 4)
    assert CANARY not in repr(detail)


def test_what_was_sealed_is_read_back(turn: StoredTurn) -> None:
    detail, text = read_detail(turn), text_of(turn)
    assert detail is not None
    [finding] = detail.findings
    place = (finding.message, finding.start, finding.end)
    assert place in text.statements
    assert text.messages[0].text[finding.start : finding.end] == said("surveillance_claim")
    assert text.evidence[0].source == "the sign-in"
    assert text.steering
    assert text.drafts[0].text == said("k4")
    assert text.reply == "fine"


def test_vectors_come_back_in_full(turn: StoredTurn, sealed: Guard) -> None:
    text = text_of(turn)
    statement = [said("surveillance_claim")]
    expected = sealed.engine.encoder.encode(statement)[0]
    assert np.array_equal(text.vectors.array()[1], expected)
    assert len(text.vectors.array()) == len(text.statements) + len(text.passages)


@pytest.mark.parametrize("data", ["not base64!", "", "AAAA"])
def test_vectors_of_another_shape_are_refused(data: str) -> None:
    with pytest.raises(ValueError, match=r"base64|reshape|buffer"):
        StoredVectors(shape=(1, 2), dtype="<f4", data=data).array()


def test_versions_are_read_back(turn: StoredTurn, sealed: Guard) -> None:
    assert read_versions(turn) == versions_of(sealed.engine)
    assert read_versions(replace(turn, closed=None)) == versions_of(sealed.engine)
    assert read_versions(replace(turn, closed=None, opened=replace(turn.opened, body={}))) == {}


def test_what_is_not_there_or_of_another_form_is_none(turn: StoredTurn) -> None:
    assert read_detail(replace(turn, detail=None)) is None
    assert read_detail(replace(turn, detail={"statements": 1})) is None
    assert read_text(replace(turn, text=None)) is None
    assert read_text(replace(turn, text={"messages": "none"})) is None


def test_keys_of_later_releases_are_passed_over(turn: StoredTurn) -> None:
    later = replace(
        turn, detail={**(turn.detail or {}), "new": 1}, text={**(turn.text or {}), "n": 1}
    )
    assert read_detail(later) == read_detail(turn)
    assert read_text(later) == read_text(turn)
