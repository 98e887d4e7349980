"""The commands for NeMo Guardrails where NeMo is not installed; the rest is tested beside it."""

import os
from pathlib import Path

import pytest

import corroborator
from cli.conftest import Run


def test_a_configuration_is_written_and_checked_without_nemo(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = run("nemo", "init", "my-app")
    assert written.exit_code == 0
    assert "written my-app/config.yml" in written.stdout
    assert "corroborator check my-app" in written.stdout
    source = run("nemo", "path").stdout.strip()
    assert Path(source) == Path(corroborator.__file__).parents[1]
    monkeypatch.setenv("COLANGPATH", os.pathsep.join(["elsewhere", source]))
    result = run("check", "my-app")
    assert result.exit_code == 0, result.output
    assert "not tried: NeMo is not installed" in result.stdout


def test_what_nemo_would_drop_is_an_error(run: Run, tmp_path: Path) -> None:
    run("nemo", "init", "my-app")
    config = tmp_path / "my-app" / "config.yml"
    config.write_text(config.read_text("utf-8").replace("  input:", "  inputt:"), "utf-8")
    result = run("check", "my-app")
    assert result.exit_code == 1
    assert "rails.inputt: NeMo drops this key without a word; did you mean input?" in result.stdout


def test_the_second_time_everything_is_kept(run: Run) -> None:
    run("nemo", "init", "my-app")
    assert "kept    my-app/config.yml" in run("nemo", "init", "my-app").stdout
