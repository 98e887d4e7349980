import stat
from pathlib import Path

import pytest

from corroborator.audit.files import new_file


def test_a_file_is_there_when_it_is_whole_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with new_file(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def half(path: Path) -> None:
    with new_file(path) as file:
        file.write(b"half")
        raise BrokenPipeError


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError):
        half(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_text("old")
    with pytest.raises(FileExistsError):
        half(path)
    assert path.read_text() == "old"


def beside_another(path: Path) -> None:
    with new_file(path) as file:
        path.write_text("another's")
        file.write(b"ours")


def test_what_another_made_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with pytest.raises(FileExistsError):
        beside_another(path)
    assert path.read_text() == "another's"
    assert list(tmp_path.iterdir()) == [path]
