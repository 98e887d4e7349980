"""A real ``nemoguardrails server`` in a process of its own, over HTTP."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from corroborator.audit import AuditLog, StoredTurn
from corroborator.demonstration import load_demonstration
from corroborator.texts import load_texts
from integrations.nemo.conftest import DIALOG_FLOWS, MODES, RAILS

HERE = Path(__file__).parent
MODEL = "{type: main, engine: logging, model: test}"
_TALKS = {talk.id: talk.turns[0] for talk in load_demonstration().conversations}
DRINKING, NURSE = _TALKS["drinking"], _TALKS["nurse"]
PLAIN_QUESTION = "Which beer goes with oysters?"
_DOMAINS = load_texts().steering.domains
GUIDANCE = {
    DRINKING.user: _DOMAINS["alcohol_use_report"].guidance,
    NURSE.user: _DOMAINS["credential_claim"].guidance,
}
CLAIMED = {DRINKING.user: "alcohol_use_report", NURSE.user: "credential_claim"}


def config_id(mode: str) -> str:
    return mode.replace(", ", "-")


@dataclass(frozen=True)
class Server:
    url: str
    folder: Path

    def post(self, path: str, mode: str, messages: list[dict[str, Any]], **more: Any) -> Any:
        context = more.pop("context", None)
        guardrails = {"config_id": config_id(mode)} | ({"context": context} if context else {})
        body = {"model": "test", "messages": messages, "guardrails": guardrails, **more}
        return httpx.post(f"{self.url}{path}", json=body, timeout=60).raise_for_status()

    def chat(self, mode: str, text: str, **more: Any) -> str:
        messages = [{"role": "user", "content": text}]
        response = self.post("/v1/chat/completions", mode, messages, **more)
        if not more.get("stream"):
            return str(response.json()["choices"][0]["message"]["content"])
        lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
        assert lines[-1] == "[DONE]"
        deltas = [json.loads(line)["choices"][0]["delta"] for line in lines[:-1]]
        return "".join(delta.get("content") or "" for delta in deltas)

    def prompts(self) -> list[str]:
        """Return what the model was asked since this was last read."""
        log = self.folder / "engine.jsonl"
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def records(self) -> list[StoredTurn]:
        with AuditLog.open(f"sqlite:///{self.folder / 'records.db'}") as log:
            return list(log.records())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    for mode, yaml in MODES.items():
        own = folder / "configs" / config_id(mode)
        own.mkdir(parents=True)
        models = "models: []" if "models: []" in yaml else ""
        with_model = (
            yaml.replace(models, f"models: [{MODEL}]")
            if models
            else yaml.replace("[{", f"[{MODEL}, {{")
        )
        custom = (
            f"custom_data: {{corroborator: {{audit: {{store: 'sqlite:///{folder}/records.db'}}}}}}"
        )
        (own / "config.yml").write_text(
            f"import_paths: [{RAILS}]\n{with_model}\n{custom}\n", "utf-8"
        )
        shutil.copy(HERE / "server" / "engine.py", own / "config.py")
        if mode.startswith("dialog"):
            (own / "rails.co").write_text(DIALOG_FLOWS, "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "ENGINE_LOG": str(folder / "engine.jsonl"),
        "NEMO_GUARDRAILS_DISABLE_CHAT_UI": "true",
    }
    command = ["-m", "nemoguardrails.cli", "server", "--config", str(folder / "configs")]
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own server
            [
                str(Path(sys.executable).with_name("nemoguardrails")),
                *command[2:],
                "--port",
                str(port),
            ],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
        )
        try:
            running = Server(f"http://127.0.0.1:{port}", folder)
            _wait(running, process)
            yield running
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    for _ in range(120):
        assert process.poll() is None, (server.folder / "output.log").read_text("utf-8")
        try:
            httpx.get(f"{server.url}/healthz")
        except httpx.TransportError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError((server.folder / "output.log").read_text("utf-8"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "sse"])
def test_a_claim_is_steered_on_and_its_refused_draft_reaches_no_one(
    server: Server, mode: str, stream: bool
) -> None:
    server.prompts()
    before = len(server.records())
    reply = server.chat(mode, DRINKING.user, stream=stream)
    assert reply.strip() == DRINKING.drafts.revised
    prompts = server.prompts()
    assert len(prompts) == (3 if "dialog" in mode else 2)
    assert all(GUIDANCE[DRINKING.user] in prompt for prompt in prompts)
    (turn,) = server.records()[before:]
    assert turn.closed is not None
    assert turn.closed.body["action"] == "revised"


@pytest.mark.parametrize("mode", ["plain", "passthrough"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "sse"])
def test_a_plain_question_is_passed_through(server: Server, mode: str, stream: bool) -> None:
    server.prompts()
    before = len(server.records())
    assert server.chat(mode, PLAIN_QUESTION, stream=stream) == "I would say so."
    (prompt,) = server.prompts()
    assert not any(guidance in prompt for guidance in GUIDANCE.values())
    (turn,) = server.records()[before:]
    assert turn.closed is not None
    assert turn.closed.body["action"] == "none"


def test_checks_over_http(server: Server) -> None:
    messages = [
        {"role": "user", "content": DRINKING.user},
        {"role": "assistant", "content": DRINKING.drafts.plain},
    ]
    before = len(server.records())
    result = server.post("/v1/checks", "plain", messages).json()
    assert result["status"] == "blocked"
    assert DRINKING.drafts.plain not in json.dumps(result)
    assert len(server.records()) == before + 1


@pytest.mark.parametrize("mode", ["plain", "passthrough"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "sse"])
def test_evidence_and_conversation_come_through_the_context(
    server: Server, mode: str, stream: bool
) -> None:
    server.prompts()
    before = len(server.records())
    evidence = {
        "domain": "credential_claim",
        "source": "the staff sign-in",
        "text": "The registration of this user as a nurse was verified today.",
    }
    context = {"corroborator": {"conversation": f"sign-in {mode}", "evidence": [evidence]}}
    server.chat(mode, NURSE.user, stream=stream, context=context)
    assert "verified today" in server.prompts()[0]
    (turn,) = server.records()[before:]
    detail: Any = turn.detail
    assert detail["evidence"] == [{"domain": "credential_claim", "bearing": "supports"}]
    assert "credential_claim" not in detail["decision"]["domains"]


def test_fifty_conversations_at_once_do_not_cross_over(server: Server) -> None:
    server.prompts()
    before = {turn.chain for turn in server.records()}
    texts = [DRINKING.user, NURSE.user, PLAIN_QUESTION]
    modes = ["plain", "passthrough", "plain, parallel", "passthrough, parallel"]
    replies = {
        DRINKING.user: DRINKING.drafts.revised,
        NURSE.user: NURSE.drafts.revised or NURSE.drafts.plain,
        PLAIN_QUESTION: "I would say so.",
    }

    def talk(number: int) -> None:
        text, context = texts[number % 3], {"corroborator": {"conversation": f"crowd {number}"}}
        for stream in (number % 2 == 0, number % 2 == 1):
            reply = server.chat(modes[number % 4], text, stream=stream, context=context)
            assert reply == replies[text], number

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(talk, range(50)))
    for prompt in server.prompts():
        (asked,) = [text for text in texts if text in prompt]
        assert [text for text, guide in GUIDANCE.items() if guide in prompt] in ([asked], []), (
            prompt
        )
    turns = [turn for turn in server.records() if turn.chain not in before]
    assert len(turns) == 100
    chains = {turn.chain for turn in turns}
    assert len(chains) == 50
    for chain in chains:
        details: list[Any] = [turn.detail for turn in turns if turn.chain == chain]
        found = {domain for detail in details for domain in detail["decision"]["domains"]}
        assert len(details) == 2
        assert len(found) <= 1
        assert found <= set(CLAIMED.values())
