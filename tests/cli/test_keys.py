import base64
from pathlib import Path

import pytest

from audit.helpers import CANARY, write
from cli.conftest import Run
from corroborator.audit import AuditLog
from corroborator.audit.keys import key_file


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "data").mkdir()
    return f"sqlite:///{tmp_path}/data/log.db"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "new.key"
    path.touch(mode=0o600)
    path.write_bytes(base64.b64encode(bytes(32)))
    return path


def test_the_master_key_is_replaced(url: str, new: Path, run: Run) -> None:
    with AuditLog.open(url, content="sealed") as log:
        write(log)
    result = run("audit", "rekey", new, "--audit", url)
    assert result.exit_code == 0
    assert "Wrapped anew: 1 key, under master key" in result.stdout
    told = run("audit", "verify", "--audit", url).stdout
    assert "was replaced by another" in told
    new.replace(key_file())
    with AuditLog.open(url, content="sealed") as log:
        assert [(turn.text or {}).get("reply") for turn in log.records()] == [CANARY]
    assert "not checked" not in run("audit", "verify", "--audit", url).stdout


def test_a_key_that_cannot_be_used_is_refused(url: str, new: Path, run: Run) -> None:
    with AuditLog.open(url, content="sealed") as log:
        write(log)
    new.chmod(0o644)
    assert "others can read" in run("audit", "rekey", new, "--audit", url).stderr
    new.unlink()
    missing = run("audit", "rekey", new, "--audit", url)
    assert (missing.exit_code, "there is no file" in missing.stderr) == (2, True)
    beside = Path(url.removeprefix("sqlite:///")).with_name("new.key")
    assert "lies beside the database" in run("audit", "rekey", beside, "--audit", url).stderr
    key_file().unlink()
    assert "there is no master key" in run("audit", "rekey", new, "--audit", url).stderr
