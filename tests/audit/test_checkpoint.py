"""Checkpoints: their published form, and what they show that a log alone cannot."""

import base64
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.helpers import write
from corroborator.audit import Checkpoint, InclusionProof, PublicKey, SigningKey
from corroborator.audit.anchoring import consistency
from corroborator.audit.merkle import is_consistent
from corroborator.errors import InputError, IntegrityError

KEY = SigningKey("log.example.org", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
CHECKPOINT = Checkpoint("corroborator/abc", 3, bytes(32), "2026-05-31T12:00:00.000000Z")


@pytest.fixture
def log(open_log: Any) -> Any:
    log = open_log()
    for number in range(5):
        write(log, f"c-{number % 2}")
    return log


def test_a_public_key_of_the_published_form_is_read() -> None:
    """The example key of the specification of signed notes."""
    written = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    key = PublicKey.parse(f"{written}\n")
    assert (key.name, key.id.hex(), str(key)) == ("PeterNeumann", "c74f20a3", written)


def test_a_note_of_the_published_form_is_verified() -> None:
    """Its signature is sound, though what it signs is no checkpoint."""
    key = PublicKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n\n"
        "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZ"
        "SNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    with pytest.raises(IntegrityError, match="no checkpoint of an audit log"):
        key.open(note)
    with pytest.raises(IntegrityError, match="not signed with this key"):
        key.open(note.replace("answer", "Answer"))


def test_what_was_signed_is_read_again() -> None:
    note = KEY.sign(CHECKPOINT)
    lines = note.split("\n")
    assert lines[:3] == ["corroborator/abc", "3", base64.b64encode(bytes(32)).decode()]
    assert lines[3:5] == ["time 2026-05-31T12:00:00.000000Z", ""]
    assert lines[5].startswith("\u2014 log.example.org ")
    assert PublicKey.parse(str(KEY.public)).open(note) == CHECKPOINT


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace("\n3\n", "\n2\n"),
        lambda note: note.replace("2026", "2025"),
        lambda note: note.replace("log.example.org", "log.example.com"),
        lambda note: note.partition("\n\n")[0] + "\n",
        lambda note: note[:-8] + "AAAAAAA\n",
        lambda _: "",
    ],
)
def test_a_checkpoint_that_was_changed_is_refused(change: Callable[[str], str]) -> None:
    with pytest.raises(IntegrityError, match="not signed with this key, or was changed"):
        KEY.public.open(change(KEY.sign(CHECKPOINT)))


def test_another_key_of_the_same_name_is_refused() -> None:
    other = SigningKey(KEY.name, Ed25519PrivateKey.generate())
    with pytest.raises(IntegrityError):
        KEY.public.open(other.sign(CHECKPOINT))
    both = KEY.sign(CHECKPOINT) + other.sign(CHECKPOINT).partition("\n\n")[2]
    assert other.public.open(both) == CHECKPOINT  # a note may have several signatures


@pytest.mark.parametrize("written", ["", "a", "a+00000000+AQ==", "a+zz+!", "a+1+" + "A" * 44])
def test_what_is_no_public_key_is_refused(written: str) -> None:
    with pytest.raises(InputError, match="no public key of a log"):
        PublicKey.parse(written)


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    made = SigningKey.create(path, "log.example.org")
    assert str(SigningKey.load(path).public) == str(made.public)
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputError, match="is there already"):
        SigningKey.create(path, "log.example.org")
    for name in ("", "a b", "a+b"):
        with pytest.raises(InputError, match="no blank and no plus"):
            SigningKey.create(tmp_path / "other.pem", name)
    path.write_text("nothing")
    for missing in (path, tmp_path / "none.pem"):
        with pytest.raises(InputError, match="holds no signing key"):
            SigningKey.load(missing)


def test_a_log_that_went_on_is_the_one_of_its_checkpoint(log: Any) -> None:
    then = log.checkpoint()
    assert (then.origin, then.size) == (log.origin, 10)
    assert log.verify(then).ok
    write(log, "c-9")
    log.erase("c-0")
    assert log.verify(then).ok
    assert log.checkpoint().size > then.size


def test_a_log_cut_short_and_whole_in_itself_is_found(log: Any, sql: Any) -> None:
    then = log.checkpoint()
    chain = sql("SELECT chain FROM events WHERE id = 1")[0][0]
    of_it = "(SELECT id FROM events WHERE chain = ?)"
    for table in ("details", "findings_index"):
        sql(f"DELETE FROM {table} WHERE event IN {of_it}", chain)  # noqa: S608 - a fixed name
    for table in ("lookup", "keys", "events", "conversations"):
        sql(f"DELETE FROM {table} WHERE chain = ?", chain)  # noqa: S608 - a fixed name
    assert log.verify().ok  # nothing in it tells
    report = log.verify(then)
    assert [problem.what for problem in report.problems] == [
        "6 events that were there at the checkpoint are missing"
    ]


def test_a_log_written_anew_is_found(log: Any, sql: Any, open_log: Any, tmp_path: Path) -> None:
    then = log.checkpoint()
    forged = open_log(url=f"sqlite:///{tmp_path / 'forged.db'}")
    for number in range(5):
        write(forged, f"c-{number % 2}", action="none")
    assert forged.verify().ok
    assert "of another log" in forged.verify(then).problems[0].what
    posing = replace(then, origin=forged.origin)
    assert forged.verify(posing).problems[0].what.startswith("events from before the checkpoint")
    sql("UPDATE events SET hash = 'no hash' WHERE id = 2")
    assert any("before the checkpoint" in problem.what for problem in log.verify(then).problems)


def test_an_event_is_proved_to_be_in_the_log(log: Any) -> None:
    known = write(log, "c-1")
    then = log.checkpoint()
    proof = log.prove(known.chain, known.seq, then)
    assert proof.shows(then)
    assert InclusionProof.from_json(proof.to_json()) == proof
    assert not replace(proof, event="0" * 64).shows(then)
    assert not proof.shows(replace(then, root=bytes(32)))
    later = write(log, "c-1")
    with pytest.raises(InputError, match="no such event"):
        log.prove(later.chain, later.seq, then)
    broken: object
    for broken in ({}, [], {**proof.to_json(), "path": ["!"]}):
        with pytest.raises(InputError, match="no inclusion proof"):
            InclusionProof.from_json(broken)


def test_a_later_checkpoint_is_proved_to_go_on_from_an_earlier_one(log: Any) -> None:
    then = log.checkpoint()
    write(log, "c-3")
    now = log.checkpoint()
    proof = log._store.read(lambda connection: consistency(connection, then, now))
    assert is_consistent(then.size, then.root, now.size, now.root, proof)
    for wrong in (replace(then, root=bytes(32)), replace(then, size=99)):
        with pytest.raises(InputError):
            log._store.read(lambda connection, wrong=wrong: consistency(connection, wrong, now))
