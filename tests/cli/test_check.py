import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import Run
from corroborator.engine import Engine
from corroborator.model import STATEMENTS
from corroborator.resources import resource_path


def test_it_says_what_is_active_and_passes(run: Run) -> None:
    result = run("check")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    assert "no file; profile general" in told
    assert "surveillance_claim steer" in told
    assert "abuse_disclosure always on" in told
    assert "hold_on_finding: a reply is held back on a finding" in told
    assert "sqlite:///corroborator.db" in told
    assert "not kept; records stay until they are erased" in told
    assert "tested: en" in told
    assert "nothing is sent" in told
    assert "clinical_review: none" in told
    assert "detectors work" in told


def test_a_policy_of_ones_own(run: Run, tmp_path: Path) -> None:
    text = "profile: clinical\nregion: GB\ndomains: {age_claim: {mode: off}}\n"
    text += "telemetry: opentelemetry\n"
    (tmp_path / "rails.yml").write_text(text, "utf-8")
    told = " ".join(run("check", "rails.yml").stdout.split())
    assert "rails.yml; profile clinical" in told
    assert "age_claim off" in told
    assert "region GB" in told
    assert "a span and events for each turn, without text, to OpenTelemetry" in told
    assert "kept under seal; a conversation is erased 30 days after its last turn" in told


def test_nothing_on_fails(run: Run, tmp_path: Path, shipped_engine: Engine) -> None:
    lines = [f"  {name}: {{mode: off}}" for name in shipped_engine.taxonomy.domains]
    (tmp_path / "rails.yml").write_text("\n".join(["domains:", *lines]), "utf-8")
    result = run("check", "rails.yml")
    assert result.exit_code == 1
    assert "no domain is on" in result.stderr


def test_a_broken_policy_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rails.yml").write_text("domains: {alcohol_report: {mode: steer}}\n", "utf-8")
    result = run("check", "rails.yml")
    assert result.exit_code == 2
    assert "rails.yml:1: domains.alcohol_report: unknown name; did you mean" in result.stderr


@pytest.mark.parametrize("head", ["alcohol_use_report", "abuse_disclosure"])
def test_a_model_with_a_constant_head_fails(
    run: Run, tmp_path: Path, shipped_engine: Engine, head: str
) -> None:
    model = with_constant_head(tmp_path / "model", shipped_engine, head)
    (tmp_path / "rails.yml").write_text(f"model: {model}\n", "utf-8")
    result = run("check", "rails.yml")
    assert result.exit_code == 1
    assert f"FAILS {head}:" in result.stdout
    assert "must not be relied on" in result.stdout


def with_constant_head(folder: Path, engine: Engine, head: str) -> Path:
    """Write a copy of the shipped model in which one head says the same of every statement."""
    heads = engine.detector.heads
    row = heads.classes.index(head)
    weights = heads.weights.copy()
    weights[row] = 0
    changed = replace(heads, weights=weights).to_bytes()
    manifest = json.loads(resource_path("embeddings", "manifest.json").read_text("utf-8"))
    for name in manifest["files"]:
        content = changed if name == STATEMENTS else resource_path("embeddings", name).read_bytes()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return folder
