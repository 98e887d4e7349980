import sys
from pathlib import Path

import pytest

from corroborator.audit import AuditLog
from corroborator.audit.keys import VARIABLE, MasterKey, key_file
from corroborator.diagnosis import Check, diagnose, languages_tested

SEALED = "audit: {store: 'sqlite:///log.db', content: sealed}\n"


def looked(policy: Path | None = None, store: str | None = None) -> dict[str, Check]:
    return {check.name: check for check in diagnose(policy, store)}


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rails.yml").write_text(SEALED, "utf-8")
    return tmp_path / "rails.yml"


def test_a_whole_installation_is_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checks = looked()
    assert [check for check in checks.values() if not check.ok] == []
    assert list(checks) == [
        "versions",
        "profiles",
        "policy",
        "texts",
        "languages",
        "encoder",
        "detectors",
        "master key",
        "audit store",
        "telemetry",
    ]
    assert "ms a sentence" in checks["encoder"].detail
    assert "clinical_review: none" in checks["texts"].detail
    assert "not needed" in checks["master key"].detail
    assert list(tmp_path.iterdir()) == []


def test_languages_are_those_of_the_file() -> None:
    assert languages_tested() == ("en",)


def test_a_broken_policy_ends_it_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "rails.yml").write_text("profile: general\nregoin: GB\n", "utf-8")
    checks = looked(tmp_path / "rails.yml")
    assert not checks["policy"].ok
    assert "rails.yml:2: regoin: " in checks["policy"].detail
    assert "did you mean region?" in checks["policy"].detail
    assert "encoder" not in checks


def test_telemetry_is_looked_at_where_the_policy_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "rails.yml"
    policy.write_text("telemetry: opentelemetry\n", "utf-8")
    assert "to the providers that the app sets" in looked(policy, "sqlite://")["telemetry"].detail
    monkeypatch.setitem(sys.modules, "corroborator.integrations.otel", None)
    missing = looked(policy, "sqlite://")["telemetry"]
    assert not missing.ok
    assert "pip install 'corroborator[otel]'" in missing.detail


def test_a_missing_encoder_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "rails.yml").write_text("encoder: sentence-transformers:nowhere\n", "utf-8")
    checks = looked(tmp_path / "rails.yml", "sqlite://")
    assert not checks["encoder"].ok
    assert "detectors" not in checks
    assert checks["audit store"].ok


def test_a_model_folder_that_is_none_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "rails.yml").write_text("model: nowhere\n", "utf-8")
    check = looked(tmp_path / "rails.yml")["detectors"]
    assert not check.ok
    assert "manifest.json is missing" in check.detail


def test_before_the_first_sealed_record_no_key_is_needed(sealed: Path) -> None:
    checks = looked(sealed)
    assert checks["master key"].ok
    assert "none yet" in checks["master key"].detail
    assert not key_file().exists()
    assert not (sealed.parent / "log.db").exists()


def test_a_sealed_store_and_its_key_are_found(sealed: Path) -> None:
    AuditLog.open("sqlite:///log.db", content="sealed").close()
    checks = looked(sealed)
    key = MasterKey.load()
    assert checks["master key"].detail.endswith(f"key {key.id}")
    assert checks["audit store"].detail.endswith(f"can be written, sealed under key {key.id}")


def test_a_lost_key_is_a_problem(sealed: Path) -> None:
    AuditLog.open("sqlite:///log.db", content="sealed").close()
    key_file().unlink()
    check = looked(sealed)["master key"]
    assert not check.ok
    assert "put the key file back" in check.detail


def test_another_key_than_the_stores_is_a_problem(sealed: Path) -> None:
    AuditLog.open("sqlite:///log.db", content="sealed").close()
    key_file().unlink()
    MasterKey.load(create=True)
    check = looked(sealed)["master key"]
    assert not check.ok
    assert "was sealed under" in check.detail


def test_a_key_that_others_can_read_is_a_problem(sealed: Path) -> None:
    MasterKey.load(create=True)
    key_file().chmod(0o644)
    check = looked(sealed)["master key"]
    assert not check.ok
    assert "chmod 600" in check.detail


def test_a_malformed_key_is_a_problem(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "c2hvcnQ=")
    check = looked(sealed)["master key"]
    assert not check.ok
    assert "c2hvcnQ=" not in check.detail


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        ("sqlite:///nowhere/log.db", "does not exist; make it"),
        ("mysql://host/log", "given as sqlite:///path"),
        ("sqlite:///garbage.db", "damaged"),
    ],
)
def test_a_store_that_cannot_be_used_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "garbage.db").write_bytes(b"no database at all" * 500)
    check = looked(store=store)["audit store"]
    assert not check.ok
    assert problem in check.detail


def test_a_store_in_memory_is_told(tmp_path: Path) -> None:
    (tmp_path / "rails.yml").write_text("audit: {store: null}\n", "utf-8")
    assert "lost when" in looked(tmp_path / "rails.yml")["audit store"].detail
