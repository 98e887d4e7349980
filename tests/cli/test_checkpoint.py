"""Checkpoints from the command line: made, kept, compared, and proofs without the log."""

import json
import sqlite3
from pathlib import Path

import pytest

from audit.helpers import write
from cli.conftest import Run
from corroborator.audit import AuditLog, InclusionProof, PublicKey


@pytest.fixture
def url(tmp_path: Path) -> str:
    with AuditLog.open(url := f"sqlite:///{tmp_path}/log.db") as log:
        for _ in range(3):
            write(log)
    return url


@pytest.fixture
def key(run: Run) -> str:
    made = run("audit", "keygen", "signing.pem", "--name", "log.example.org")
    assert made.exit_code == 0
    return made.stdout.strip()


def test_a_checkpoint_is_kept_and_the_log_compared_with_it(url: str, key: str, run: Run) -> None:
    assert run("audit", "checkpoint", "then", "--key", "signing.pem", "--audit", url).exit_code == 0
    again = run("audit", "checkpoint", "then", "--key", "signing.pem", "--audit", url)
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    with AuditLog.open(url) as log:
        write(log)
    compare = ("audit", "verify", "--checkpoint", "then", "--public-key", key, "--audit", url)
    found = run(*compare)
    assert found.exit_code == 0
    assert "over 6 events" in found.stdout
    other = url.replace("log.db", "other.db")
    with AuditLog.open(other) as log:
        write(log)
    wrong = run(*compare[:-1], other)
    assert wrong.exit_code == 1
    assert "of another log" in wrong.stdout


def test_checkpoints_follow_each_other_in_a_folder(
    url: str, key: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("kept").mkdir()
    sign = ("audit", "checkpoint", "kept", "--key", "signing.pem", "--audit", url)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("corroborator.cli._checkpoint.time.sleep", pause)
    assert run(*sign, "--every", "1h").exit_code == 130
    assert pauses == [3600, 3600]
    with AuditLog.open(url) as log:
        write(log)
    assert run(*sign).exit_code == 0
    names = sorted(Path("kept").iterdir())
    assert len(names) == 3
    sizes = [PublicKey.parse(key).open(name.read_text("utf-8")).size for name in names]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("DELETE FROM events WHERE id = (SELECT max(id) FROM events)")
    connection.close()
    refused = run(*sign)
    assert refused.exit_code == 1
    assert "nothing was signed" in refused.stderr
    assert "1 events that were there at the checkpoint are missing" in refused.stderr
    assert sorted(Path("kept").iterdir()) == names


@pytest.mark.usefixtures("key")
def test_a_schedule_needs_a_folder(url: str, run: Run) -> None:
    for out, every, told in (("-", "1h", "needs a folder"), (".", "soon", "write an age as")):
        result = run(
            "audit", "checkpoint", out, "--every", every, "--key", "signing.pem", "--audit", url
        )
        assert (result.exit_code, told in result.stderr) == (2, True)


def test_a_new_signing_key_vouches_for_the_same_log(url: str, key: str, run: Run) -> None:
    new = run("audit", "keygen", "new.pem", "--name", "log-2.example.org").stdout.strip()
    for signing, name in (("signing.pem", "last"), ("new.pem", "first")):
        run("audit", "checkpoint", name, "--key", signing, "--audit", url)
    for name, public in (("last", key), ("first", new)):
        found = ("audit", "verify", "--checkpoint", name, "--audit", url, "--public-key")
        assert run(*found, public).exit_code == 0
        assert "not signed with this key" in run(*found, new if public == key else key).stderr


def test_a_record_is_proved_without_the_log(url: str, key: str, run: Run) -> None:
    with AuditLog.open(url) as log:
        record = write(log)
    signed = run("audit", "checkpoint", "--key", "signing.pem", "--audit", url)
    Path("then").write_text(signed.stdout, "utf-8")
    name = f"{record.chain}/{record.seq}"
    asked = ("audit", "prove", name, "--checkpoint", "then", "--public-key", key, "--audit", url)
    proof = InclusionProof.from_json(json.loads(run(*asked).stdout))
    assert proof.event == record.hash
    assert proof.shows(PublicKey.parse(key).open(signed.stdout))
    asked = ("audit", "prove", "x", "--checkpoint", "then", "--public-key", key, "--audit", url)
    refused = run(*asked)
    assert refused.exit_code == 2
    assert "CONVERSATION/NUMBER" in refused.stderr


def test_a_checkpoint_without_its_key_is_refused(url: str, key: str, run: Run) -> None:
    Path("then").write_text("nothing", "utf-8")
    half = run("audit", "verify", "--checkpoint", "then", "--audit", url)
    assert half.exit_code == 2
    assert "give both" in half.stderr
    wrong = run("audit", "verify", "--checkpoint", "then", "--public-key", key, "--audit", url)
    assert "not signed with this key" in wrong.stderr
    gone = run("audit", "verify", "--checkpoint", "gone", "--public-key", key, "--audit", url)
    assert "gone: No such file" in gone.stderr
    nobody = run("audit", "checkpoint", "--key", "gone.pem", "--audit", url)
    assert "holds no signing key" in nobody.stderr
