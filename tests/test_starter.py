from pathlib import Path

import pytest

from corroborator.errors import ConfigError
from corroborator.exemplars import read_exemplars
from corroborator.policy import load_policy
from corroborator.starter import FILES, write_starter
from corroborator.taxonomy import load_taxonomy
from corroborator.texts import load_texts


def test_it_writes_everything_and_says_so(tmp_path: Path) -> None:
    written = write_starter(tmp_path / "new" / "app")
    assert [file.path.relative_to(tmp_path / "new" / "app").as_posix() for file in written] == list(
        FILES
    )
    assert all(file.new and file.path.stat().st_size > 0 for file in written)


def test_the_policy_is_the_general_profile_with_texts_of_ones_own(tmp_path: Path) -> None:
    write_starter(tmp_path)
    policy = load_policy(tmp_path / "rails.yml")
    assert policy == load_policy().model_copy(update={"texts": tmp_path / "texts"})
    assert load_texts(policy.texts).hash == load_texts().hash


def test_every_line_that_is_commented_out_holds(tmp_path: Path) -> None:
    write_starter(tmp_path)
    lines = (tmp_path / "rails.yml").read_text("utf-8").splitlines()
    starts = ("# domains:", "#   ", "# exemplars:", "# region:", "# reply:", "# audit:")
    active = [line.removeprefix("# ") if line.startswith(starts) else line for line in lines]
    (tmp_path / "rails.yml").write_text("\n".join(active), "utf-8")
    policy = load_policy(tmp_path / "rails.yml")
    assert policy.mode("self_description") == "off"
    assert policy.exemplars == tmp_path / "exemplars"
    assert policy.region == "GB"


def test_the_example_lines_can_be_used_as_they_stand(tmp_path: Path) -> None:
    write_starter(tmp_path)
    readme = (tmp_path / "exemplars" / "README.md").read_text("utf-8")
    lines = [line.strip() for line in readme.splitlines() if line.startswith('    {"id"')]
    (tmp_path / "exemplars" / "alcohol_use_report.jsonl").write_text("\n".join(lines), "utf-8")
    found = read_exemplars(tmp_path / "exemplars", load_taxonomy())
    assert [item.positive for item in found] == [True, False]


def test_it_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "rails.yml").write_text("profile: observe\n", "utf-8")
    written = {file.path.name: file.new for file in write_starter(tmp_path)}
    assert written["rails.yml"] is False
    assert written["steering.yml"] is True
    assert (tmp_path / "rails.yml").read_text("utf-8") == "profile: observe\n"
    assert not any(file.new for file in write_starter(tmp_path))


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "app").write_text("", "utf-8")
    with pytest.raises(ConfigError, match=r"cannot be written|in the way"):
        write_starter(tmp_path / "app")


def test_a_folder_in_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rails.yml").mkdir()
    with pytest.raises(ConfigError, match="in the way"):
        write_starter(tmp_path)


def test_a_name_that_no_disk_takes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        write_starter(tmp_path / ("x" * 300))
