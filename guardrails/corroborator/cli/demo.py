"""``corroborator demo``: conversations guarded against a model that agrees with everything."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from secrets import token_hex
from shutil import which
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from corroborator.cli._common import FAILED, OUT, TRY, counted

if TYPE_CHECKING:
    from corroborator.audit import VerifyReport
    from corroborator.demonstration import Demonstration, DemonstrationConversation
    from corroborator.guard import Guard


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=TRY)(demo)


def demo(
    audit: Annotated[
        str | None,
        typer.Option("--audit", metavar="URL", help="Audit store; in your data folder by default."),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Do not wait between turns.")] = False,
) -> None:
    """Watch five guarded conversations with a model that agrees.

    It is a demonstration model that agrees with everything, offline; the guard is the real one.
    Text is kept under seal for 30 days.
    """
    from corroborator.cli._guard import open_guard  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.demonstration import load_demonstration  # noqa: PLC0415 - keeps --help quick
    from corroborator.resources import resource_path  # noqa: PLC0415 - slow; --help stays quick

    data = load_demonstration()
    store = audit or _default_store()
    wait = not fast and OUT.is_terminal and sys.stdin.isatty()
    with open_guard(resource_path("rails_config", "demo", "rails.yml"), store) as guard:
        _introduce(guard)
        for number, conversation in enumerate(data.conversations, start=1):
            OUT.print(Rule(f"{number} of {len(data.conversations)} · {conversation.title}"))
            _talk(guard, data, conversation, wait=wait)
        report = guard.audit.verify()
    _conclude(report, store)
    if not report.ok:
        raise typer.Exit(FAILED)


def _default_store() -> str:
    from platformdirs import user_data_path  # noqa: PLC0415 - slow; --help stays quick

    folder = user_data_path("corroborator") / "demo"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'demo.db'}"


def _introduce(guard: "Guard") -> None:
    from corroborator.cli._view import width  # noqa: PLC0415 - slow; --help stays quick

    OUT.print(
        "\nFive made-up conversations with a model that agrees with everything, by construction."
        " It reads its instructions, and sometimes fails to follow them. The guard is the real one,"
        " and judges as it does anywhere. The messages were chosen to show each of its steps: in"
        " real conversations it misses more than here, and more often fires where it need not."
        " Nothing leaves this machine."
        f" clinical_review: {guard.engine.taxonomy.clinical_review}.\n",
        width=width(OUT),
    )


def _talk(
    guard: "Guard", data: "Demonstration", conversation: "DemonstrationConversation", *, wait: bool
) -> None:
    from corroborator.cli._view import show, width  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.demonstration import DemonstrationModel  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.exchange import exchange  # noqa: PLC0415 - slow; --help stays quick

    OUT.print(Padding(Text(conversation.shows, style="italic"), (0, 0, 1, 0)), width=width(OUT))
    name = f"demo-{conversation.id}-{token_hex(4)}"
    messages: list[dict[str, str]] = []
    state: Mapping[str, object] | None = None
    for turn in conversation.turns:
        messages.append({"role": "user", "content": turn.user})
        evidence = [item.as_evidence() for item in turn.evidence]
        done = exchange(
            guard,
            DemonstrationModel(data),
            messages,
            instructions=data.instructions,
            state=state,
            conversation=name,
            evidence=evidence,
        )
        show(OUT, done, messages, evidence, guard.engine.taxonomy)
        messages.append({"role": "assistant", "content": done.reply})
        state = done.closed.state
        if wait:
            with suppress(EOFError):
                OUT.input(Text("Enter for the next turn ", style="dim"))


def _conclude(report: "VerifyReport", store: str) -> None:
    from corroborator.audit.keys import VARIABLE, key_file  # noqa: PLC0415 - slow; --help stays quick

    OUT.print(Rule("The audit log"))
    verdict = ("whole", "bold green") if report.ok else ("NOT whole", "bold red")
    turns = f": {counted(report.closed, 'turn')}, {counted(report.gaps, 'gap')}"
    OUT.print(Text.assemble("Verified: the log is ", verdict, turns))
    key = VARIABLE if VARIABLE in os.environ else str(key_file())
    OUT.print(
        f"Text is sealed and erased after 30 days.\n  store  {store}\n  key    {key}\n",
        markup=False,
        soft_wrap=True,
    )
    OUT.print(Rule("Next"))
    us = "corroborator" if which("corroborator") else sys.argv[0]
    for what, command in (
        ("talk to the same model yourself", f"{us} chat"),
        ("all that is made of one statement", f"echo 'I hardly drink.' | {us} explain"),
        ("read the records", f"{us} audit show --audit {store}"),
        ("check the log again", f"{us} audit verify --audit {store}"),
        ("what is active, and whether it works", f"{us} check"),
        ("a policy and texts of your own", f"{us} init my-app"),
    ):
        OUT.print(Text.assemble((f"{what:37} ", "dim"), (command, "bold")), soft_wrap=True)
