import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audit.helpers import MASTER
from corroborator.audit import MasterKey
from corroborator.audit.keys import VARIABLE, key_file
from corroborator.errors import MasterKeyError
from tiny_world import everything_told

ENCODED = base64.b64encode(MASTER.secret).decode()


def test_the_environment_comes_first() -> None:
    assert MasterKey.load(environment={VARIABLE: f" {ENCODED}\n"}) == MASTER
    assert not key_file().exists()


@pytest.mark.parametrize("value", ["not base64!", base64.b64encode(b"short").decode(), "ü" * 44])
def test_a_malformed_key_is_refused_without_telling_it(value: str) -> None:
    with pytest.raises(MasterKeyError, match=f"{VARIABLE} does not hold 32 bytes") as caught:
        MasterKey.load(environment={VARIABLE: value})
    assert value not in everything_told(caught.value)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(MasterKeyError, match="32 random bytes"):
        MasterKey(b"short")


def test_a_key_file_is_made_on_first_need_for_its_owner_alone() -> None:
    with pytest.raises(MasterKeyError, match="there is no master key"):
        MasterKey.load()
    made = MasterKey.load(create=True)
    assert MasterKey.load() == MasterKey.load(create=True) == made
    assert stat.S_IMODE(key_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file().parent.stat().st_mode) == 0o700
    assert [entry.name for entry in key_file().parent.iterdir()] == ["master.key"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604])
def test_a_key_file_that_others_can_read_is_refused(mode: int) -> None:
    MasterKey.load(create=True)
    key_file().chmod(mode)
    with pytest.raises(MasterKeyError, match="chmod 600"):
        MasterKey.load()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_another_user_is_refused() -> None:
    MasterKey.load(create=True)
    os.chown(key_file(), 65534, 65534)
    with pytest.raises(MasterKeyError, match="make it yours"):
        MasterKey.load()


def test_a_key_file_beside_the_database_is_refused() -> None:
    with pytest.raises(MasterKeyError, match="beside the database"):
        MasterKey.load(database=key_file().parent / "log.db", create=True)
    assert not key_file().exists()


def test_a_key_file_that_cannot_be_made_or_read_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    with pytest.raises(MasterKeyError, match="can be made"):
        MasterKey.load(create=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "folder"))
    key_file().mkdir(parents=True)
    with pytest.raises(MasterKeyError, match="cannot be read"):
        MasterKey.load()


def test_makers_of_a_key_file_agree() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: MasterKey.load(create=True), range(16)))
    assert len(made) == 1
    assert [entry.name for entry in key_file().parent.iterdir()] == ["master.key"]


def test_a_key_shows_its_id_alone() -> None:
    assert repr(MASTER) == "MasterKey()"
    assert len(MASTER.id) == 16
    assert MASTER.id != MasterKey(b"1" * 32).id
    assert bytes.fromhex(MASTER.id) not in MASTER.secret
