"""The command line in the tiny world, where a test knows what a statement is taken for."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from corroborator.cli import app
from tiny_world import WordEncoder

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder, with folders of its own for data and configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "100")

    def invoke(*arguments: str | Path, given: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments], input=given)

    return invoke


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model: Path) -> Path:
    """A policy file of the tiny world; its encoder goes in place of the one that a policy names."""
    for module in ("corroborator.guard", "corroborator.cli._guard"):
        monkeypatch.setattr(f"{module}.load_encoder", lambda _: WordEncoder())
    policy = tmp_path / "rails.yml"
    policy.write_text(f"model: {tiny_model}\naudit: {{store: null}}\n", "utf-8")
    return policy
