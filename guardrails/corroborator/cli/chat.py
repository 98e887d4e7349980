"""``corroborator chat``: a guarded conversation in the terminal."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from corroborator.cli._common import OUT, TRY, AuditOption, PolicyOption, printable, say_error
from corroborator.errors import ConfigError

if TYPE_CHECKING:
    from corroborator.exchange import Exchange
    from corroborator.taxonomy import Taxonomy

QUIT = "/quit"
PROMPT = Text("you > ", style="bold")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=TRY)(chat)


def chat(
    model: Annotated[
        str,
        typer.Option(metavar="NAME", help="demo, or a LangChain name such as ollama:llama3.2."),
    ] = "demo",
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the model's server is.")
    ] = None,
    policy: PolicyOption = None,
    audit: AuditOption = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show all of each turn, not one line of it.")
    ] = False,
) -> None:
    """Talk to a model under guard; /quit ends it.

    The model is the demonstration one, which agrees with everything, or any chat model that
    LangChain knows by name, a local Ollama or vLLM server among them:
    --model openai:my-model --base-url http://localhost:8000/v1
    """
    from corroborator.chat_model import load_chat_model  # noqa: PLC0415 - keeps --help quick
    from corroborator.cli._guard import open_guard  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.cli._view import show, width  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.exchange import exchange  # noqa: PLC0415 - slow; --help stays quick

    talker = load_chat_model(model, base_url)
    with open_guard(policy, audit) as guard:
        store = guard.policy.audit.store or "nowhere"
        OUT.print(Text(f"{model} under guard; records go to {store}. {QUIT} ends it.", style="dim"))
        messages: list[dict[str, str]] = []
        state: Mapping[str, object] | None = None
        conversation = f"chat-{token_hex(4)}"
        for line in _lines():
            messages.append({"role": "user", "content": line})
            try:
                done = exchange(guard, talker, messages, state=state, conversation=conversation)
            except ConfigError as error:  # the model did not answer; the next line may reach it
                say_error(str(error))
                messages.pop()
                continue
            state = done.closed.state
            if explain:
                show(OUT, done, messages, (), guard.engine.taxonomy)
            else:
                OUT.print(Text(f"guard  {summary(done, guard.engine.taxonomy)}", style="dim"))
                OUT.print(Text(printable(done.reply)), width=width(OUT))
            messages.append({"role": "assistant", "content": done.reply})


def _lines() -> Iterator[str]:
    """Yield what the user says until `QUIT` or the end of the input; blank lines are left out."""
    for line in _typed() if sys.stdin.isatty() else _piped():
        if line == QUIT:
            return
        if line:
            yield line


def _typed() -> Iterator[str]:
    with suppress(EOFError):
        while True:
            yield OUT.input(PROMPT).strip()


def _piped() -> Iterator[str]:
    for raw in sys.stdin.buffer:
        line = raw.decode("utf-8", "replace").strip()
        if line and line != QUIT:
            OUT.print(PROMPT + printable(line), soft_wrap=True)
        yield line


def summary(done: "Exchange", taxonomy: "Taxonomy") -> str:
    """Return what the guard did in a turn, in one line."""
    parts = []
    for finding in done.turn.findings:
        table = taxonomy.protected if finding.protected else taxonomy.domains
        parts.append(f"{table[finding.family].title} {finding.probability:.2f}")
    if done.turn.outcome.not_covered:
        parts.append("language not covered")
    if not parts:
        parts.append("nothing found")
    if done.turn.steering:
        parts.append("steered")
    for draft in done.drafts:
        if draft.verdict.kind != "release":
            codes = dict.fromkeys(s.code for s in draft.verdict.assessment.marked)
            did = "replaced" if draft.verdict.kind == "replace" else "sent back"
            parts.append(f"a draft {did} ({', '.join(codes)})")
    return "; ".join(parts)
