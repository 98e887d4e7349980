from importlib.resources.abc import Traversable
from pathlib import Path
from zipfile import Path as ZipPath
from zipfile import ZipFile

import pytest

from corroborator.errors import DataError
from corroborator.resources import resource, resource_path


def test_shipped_data_is_found() -> None:
    assert resource("rails_config", "taxonomy.yml").is_file()
    assert resource_path("embeddings", "encoder").is_dir()


def test_what_is_not_shipped_is_a_clear_error() -> None:
    with pytest.raises(DataError, match=r"embeddings/none.bin is not in this installation"):
        resource_path("embeddings", "none.bin")


def test_in_a_wheel_data_lies_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rails_config").mkdir()
    (tmp_path / "rails_config" / "taxonomy.yml").write_text("inside")

    def inside(_package: str) -> Traversable:
        return tmp_path

    monkeypatch.setattr("corroborator.resources.files", inside)
    assert resource("rails_config", "taxonomy.yml").read_text() == "inside"
    assert resource_path("rails_config", "taxonomy.yml") == tmp_path / "rails_config/taxonomy.yml"


def test_an_archive_holds_no_real_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("rails_config/taxonomy.yml", "zipped")

    def zipped(_package: str) -> Traversable:
        return ZipPath(tmp_path / "a.zip")

    monkeypatch.setattr("corroborator.resources.files", zipped)
    assert resource("rails_config", "taxonomy.yml").read_text() == "zipped"
    with pytest.raises(DataError, match="is not in this installation"):
        resource_path("rails_config", "taxonomy.yml")
