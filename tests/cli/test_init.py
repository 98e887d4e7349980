from pathlib import Path

from cli.conftest import Run


def test_it_writes_and_says_what_comes_next(run: Run, tmp_path: Path) -> None:
    result = run("init", "my-app")
    assert result.exit_code == 0
    assert "written my-app/rails.yml" in result.stdout
    assert "corroborator check my-app/rails.yml" in result.stdout
    assert (tmp_path / "my-app" / "texts" / "steering.yml").exists()


def test_a_second_time_it_keeps_everything(run: Run, tmp_path: Path) -> None:
    run("init", "my-app")
    (tmp_path / "my-app" / "rails.yml").write_text("profile: observe\n", "utf-8")
    result = run("init", "my-app")
    assert result.exit_code == 0
    assert "kept    my-app/rails.yml" in result.stdout
    assert (tmp_path / "my-app" / "rails.yml").read_text("utf-8") == "profile: observe\n"


def test_a_folder_that_cannot_be_made_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    result = run("init", "file")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: file")
