import base64
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import GuardOf
from corroborator import Evidence, Guard
from corroborator.audit import AuditLog, MasterKey, StoredTurn
from corroborator.engine import Engine
from corroborator.replay import ReplayReport, replay, replay_turn
from tiny_world import WordEncoder, conversation, said

CLAIM, DISCLOSURE = said("surveillance_claim"), said("abuse_disclosure")
KEY = MasterKey(bytes(range(32)))


class Drifting(WordEncoder):
    """Gives vectors that are a little off."""

    def encode(self, texts: Any) -> NDArray[np.float32]:
        vectors = super().encode(texts)
        vectors[:, -1] += 0.1
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    url = f"sqlite:///{tmp_path}/log.db"
    with AuditLog.open(url, content="sealed", master_key=KEY) as opened:
        yield opened


@pytest.fixture(scope="module")
def sealing(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("sealing")
    return f"audit: {{store: 'sqlite:///{folder}/log.db', content: sealed}}"


@pytest.fixture
def sealed(guard_of: GuardOf, log: AuditLog, sealing: str) -> Guard:
    return guard_of(sealing, audit=log)


def talk(guard: Guard, *texts: str, **options: Any) -> None:
    """Run a conversation through a guard, replies checked as drafts."""
    state = None
    for end in range(1, len(texts) + 1, 2):
        turn = guard.open_turn(conversation(*texts[:end]), state=state, conversation="a", **options)
        reply = texts[end] if end < len(texts) else None
        if reply is not None:
            turn.check("a first draft that was sent back: " + said("k2"))
            turn.check(reply)
        state = turn.close(reply).state


def with_text(turn: StoredTurn, **changes: object) -> StoredTurn:
    return replace(turn, text={**(turn.text or {}), **changes})  # type: ignore[dict-item] # JSON


def test_same_versions_give_the_same_decisions(sealed: Guard, log: AuditLog) -> None:
    evidence = [Evidence("credential_claim", "the sign-in", "a nurse")]
    texts = (CLAIM, said("k4"), said("credential_claim"), "ok", DISCLOSURE, "I am with you.", CLAIM)
    talk(sealed, *texts, evidence=evidence)
    sealed.open_turn(conversation("x"), retrospective=True).close("y")
    sealed.open_turn(conversation("")).close()
    report = replay(sealed.engine, log.records())
    assert report == ReplayReport(same=6, drift=report.drift)
    assert report.drift < 1e-6
    assert report.unexplained == ()


def test_a_long_message_is_replayed_with_its_passages(sealed: Guard, log: AuditLog) -> None:
    text = "\n".join(said(word) for word in ("age_claim", "sleep_report", "proxy_report")) * 30
    talk(sealed, text + " Ich weiß heute wirklich nicht mehr weiter mit meiner Arbeit.")
    report = replay(sealed.engine, log.records())
    assert (report.same, report.resplit) == (1, 0)


def test_another_policy_decides_otherwise_and_is_named(
    sealed: Guard, guard_of: GuardOf, log: AuditLog
) -> None:
    talk(sealed, CLAIM, said("k4"))
    observing = guard_of("profile: observe\naudit: {store: null}")
    report = replay(observing.engine, log.records())
    assert report.same == 0
    [turn] = report.different
    assert turn.versions == ("policy",)
    assert {"verdict", "action", "steering", "drafts"} <= set(turn.differences)
    assert report.unexplained == ()


def decision_changed(detail: dict[str, Any]) -> None:
    detail["decision"]["verdict"] = "clear"


def finding_gone(detail: dict[str, Any]) -> None:
    detail["findings"] = []


def ledger_changed(detail: dict[str, Any]) -> None:
    detail["ledger_after"]["turn"] = 9


def draft_changed(detail: dict[str, Any]) -> None:
    detail["drafts"][0]["kind"] = "release"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (decision_changed, "verdict"),
        (finding_gone, "findings"),
        (ledger_changed, "ledger"),
        (draft_changed, "drafts"),
    ],
)
def test_each_difference_is_named(
    sealed: Guard, log: AuditLog, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    talk(sealed, CLAIM, said("k4"))
    [turn] = log.records()
    detail: dict[str, Any] = deepcopy(dict(turn.detail or {}))
    change(detail)
    report = replay(sealed.engine, [replace(turn, detail=detail)])
    [different] = report.unexplained
    assert different.differences == (named,)
    assert turn.closed is not None
    assert (different.chain, different.seq) == (turn.chain, turn.closed.seq)


def test_other_steering_is_a_difference(sealed: Guard, log: AuditLog) -> None:
    talk(sealed, CLAIM)
    [turn] = log.records()
    replayed = replay_turn(sealed.engine, with_text(turn, steering="other words"))
    assert replayed.differences == ("steering",)


def test_drift_is_reported_apart_and_decides_nothing(sealed: Guard, log: AuditLog) -> None:
    talk(sealed, CLAIM)
    drifting = replace(sealed.engine, encoder=Drifting())
    report = replay(drifting, log.records())
    assert (report.same, report.different) == (1, ())
    assert 0.001 < report.drift < 0.1


def test_text_that_is_cut_otherwise_now_is_counted_and_still_decided(
    sealed: Guard, log: AuditLog
) -> None:
    talk(sealed, CLAIM)
    [turn] = log.records()
    message = {"position": 0, "text": "word. " + CLAIM}
    replayed = replay_turn(sealed.engine, with_text(turn, messages=[message]))
    assert (replayed.resplit, replayed.differences, replayed.drift) == (1, (), 0.0)


def test_without_kept_text_nothing_can_be_replayed(guard: Guard) -> None:
    talk(guard, CLAIM)
    report = replay(guard.engine, guard.audit.records())
    assert report == ReplayReport(obstacles={"no text was kept": 1})


def test_what_stands_in_the_way_is_said(sealed: Guard, log: AuditLog, tmp_path: Path) -> None:
    talk(sealed, CLAIM)
    sealed.open_turn(conversation("never closed"))
    other = replace(sealed.engine, encoder=WordEncoder(64))
    assert obstacles(other, log) == {"another encoder": 1, "never closed": 1}
    with AuditLog.open(f"sqlite:///{tmp_path}/log.db") as without_key:
        assert list(obstacles(sealed.engine, without_key)) == [
            "erased, or sealed under a key that is not here",
            "never closed",
        ]
    log.erase("a")
    assert "erased, or sealed under a key that is not here" in obstacles(sealed.engine, log)


def obstacles(engine: Engine, log: AuditLog) -> Mapping[Any, int]:
    return replay(engine, log.records()).obstacles


def test_a_changed_turn_is_not_replayed(sealed: Guard, log: AuditLog) -> None:
    talk(sealed, CLAIM)
    [turn] = log.records()
    changed = replace(turn, intact=False)
    assert replay_turn(sealed.engine, changed).obstacle == "changed since it was written"


@pytest.mark.parametrize(
    "text",
    [
        {"steering": 7},
        {"vectors": {"shape": [1, 128], "dtype": "<f4", "data": "not base64!"}},
        {"vectors": {"shape": [9, 9], "dtype": "<f4", "data": ""}},
        {"vectors": {"shape": [0, 128], "dtype": "<f4", "data": ""}},
        {
            "evidence": [
                {"domain": "none", "source": "s", "text": "t", "bearing": "supports"},
            ]
        },
    ],
)
def test_records_of_another_form_are_said_to_be(
    sealed: Guard, log: AuditLog, text: dict[str, object]
) -> None:
    talk(sealed, CLAIM)
    [turn] = log.records()
    replayed = replay_turn(sealed.engine, with_text(turn, **text))
    assert replayed.obstacle == "another form of record"


def test_vectors_are_kept_in_full(sealed: Guard, log: AuditLog) -> None:
    talk(sealed, CLAIM)
    [turn] = log.records()
    stored: Any = (turn.text or {})["vectors"]
    kept = np.frombuffer(base64.b64decode(stored["data"]), "<f4").reshape(stored["shape"])
    assert np.array_equal(kept, sealed.engine.encoder.encode([CLAIM]))
