"""The examples and the page of the documentation, run as a newcomer runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from corroborator.demonstration import load_demonstration
from openai_server import serving

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "langchain"
FIRST = load_demonstration().conversations[0].turns[0]


def printed(folder: Path, *command: str, **environment: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own files
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "error", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_agent_opens_the_tool_for_evidence_alone(tmp_path: Path) -> None:
    told = printed(tmp_path, str(EXAMPLES / "agent.py"))
    claimed, verified = told.split("verified:")
    assert "tool:   error" in claimed
    assert "('credential_claim', 'uncorroborated')" in claimed
    assert "tool:   success" in verified
    assert "4 g in 24 hours" in verified
    assert (tmp_path / "corroborator.db").exists()


def test_the_chain_shows_no_refused_draft(tmp_path: Path) -> None:
    told = printed(tmp_path, str(EXAMPLES / "lcel_chain.py"))
    assert str(FIRST.drafts.revised) in told
    assert FIRST.drafts.plain not in told


def test_an_example_takes_a_model_by_name_and_key(tmp_path: Path) -> None:
    with serving() as (url, asked):
        told = printed(
            tmp_path,
            str(EXAMPLES / "lcel_chain.py"),
            MODEL="openai:gpt-4o",
            OPENAI_API_KEY="none",
            OPENAI_BASE_URL=url,
        )
    assert "reply: " in told
    assert asked[0]["model"] == "gpt-4o"
    assert FIRST.user in repr(asked[0]["messages"])


def test_the_chat_service_streams_and_keeps_conversations_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import chat_service  # noqa: PLC0415 - it opens its log where it is imported

    with TestClient(chat_service.app) as client:
        page = client.get("/").text
        assert "<form>" in page
        asked = {"conversation": "conversation-1", "text": FIRST.user}
        with client.stream("POST", "/chat", json=asked) as answer:
            told = "".join(answer.iter_text())
        assert told == FIRST.drafts.revised
        assert client.post("/chat", json={"conversation": "x", "text": ""}).status_code == 422
    chat_service.agent.get_state({"configurable": {"thread_id": "conversation-1"}})
    (tmp_path / "corroborator.db").stat()


def test_every_example_is_run_here() -> None:
    names = {file.name for file in EXAMPLES.iterdir() if file.is_file()}
    assert names == {"agent.py", "chat.html", "chat_service.py", "lcel_chain.py", "models.py"}


def test_the_page_says_what_is_true(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "langchain.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    told = printed(tmp_path, "-c", "\n".join(blocks))
    assert told.startswith("From what you describe")
    assert "completely safe" not in told
