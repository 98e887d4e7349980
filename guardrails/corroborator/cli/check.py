"""``corroborator check``: what a policy makes active, and whether every detector works."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from corroborator.cli._common import FAILED, OUT, SET_UP, counted, fail, printable
from corroborator.cli.nemo import check_folder

if TYPE_CHECKING:
    from corroborator.canary_run import CanaryReport
    from corroborator.engine import Engine
    from corroborator.policy import Policy

HELD = {
    "hold_always": "every reply is held back until it is checked",
    "hold_on_finding": "a reply is held back on a finding, an open thread, a risk hold or a score"
    " near its threshold; others are checked as they stream",
    "hold_never": "no reply is held back; all are checked as they stream",
}

TOLD = {
    "none": "nothing is sent",
    "opentelemetry": "a span and events for each turn, without text, to OpenTelemetry",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=SET_UP)(check)


def check(
    policy: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RAILS.YML|DIR]",
            help="Policy file, or folder of a NeMo Guardrails configuration; without it, the"
            " general profile.",
        ),
    ] = None,
) -> None:
    """Say what a policy makes active; run the canaries.

    Canaries are statements that must fire and near misses that must stay quiet, run through every
    enabled detector. Single ones may fail and are warnings; where none of a detector's canaries
    fires, all of its near misses do, or it says the same of everything, the check fails.

    Of a NeMo Guardrails configuration it says which keys NeMo drops, which flows do not exist, and
    whether our rails really run in it.
    """
    if policy is not None and policy.is_dir():
        check_folder(policy)
        return
    from corroborator.canary_run import run_canaries  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.cli._guard import open_engine  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.policy import load_policy  # noqa: PLC0415 - slow; --help stays quick

    chosen = load_policy(policy)
    engine = open_engine(chosen)
    _settings(engine, policy)
    OUT.print(_domains(engine))
    if not engine.detector.domains:
        fail("no domain is on, so nothing is looked for, disclosures included", FAILED)
    report = run_canaries(engine)
    _canaries(report)
    if report.failing:
        raise typer.Exit(FAILED)


def _settings(engine: "Engine", file: Path | None) -> None:
    from corroborator.diagnosis import languages_tested  # noqa: PLC0415 - slow; --help stays quick

    policy = engine.policy
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    source = "no file" if file is None else printable(str(file))
    for label, value in (
        ("policy", f"{source}; profile {policy.profile}"),
        ("detectors", f"{policy.model or 'shipped'}, model {engine.model.hash[:12]}"),
        ("encoder", engine.encoder.id),
        ("languages", f"tested: {', '.join(languages_tested())}; others: not covered"),
        ("drafts", _drafts(policy)),
        ("streaming", f"{policy.reply.stream}: {HELD[policy.reply.stream]}"),
        ("risk hold", f"safety stays first for {counted(policy.risk_hold.turns, 'turn')}"),
        ("region", policy.region or "not set; a directory of helplines is named"),
        ("records", policy.audit.store or "in memory only, lost at the end"),
        ("text", _text(policy)),
        ("telemetry", TOLD[policy.telemetry]),
        ("review", f"clinical_review: {engine.taxonomy.clinical_review}"),
    ):
        grid.add_row(label, value)
    OUT.print(grid)


def _drafts(policy: "Policy") -> str:
    reply = policy.reply
    attempts = f", at most {reply.attempts} times" if reply.attempts else ""
    return f"collusion: {reply.on_collusion}; over-correction: {reply.on_overcorrection}{attempts}"


def _text(policy: "Policy") -> str:
    audit = policy.audit
    kept = "kept under seal" if audit.content == "sealed" else "not kept"
    erased = "records stay until they are erased"
    if audit.retention is not None:
        hours = round(audit.retention.total_seconds() / 3600)
        after = f"{hours} hours" if hours % 24 else f"{hours // 24} days"
        erased = f"a conversation is erased {after} after its last turn"
    failing = "the reply waits for the log" if audit.on_error == "block" else "the reply is sent"
    return f"{kept}; {erased}; where the log fails, {failing}"


def _domains(engine: "Engine") -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("domain or disclosure", no_wrap=True)
    table.add_column("mode")
    table.add_column("counts from", justify="right")
    table.add_column("what it is about", no_wrap=True)
    policy, detector = engine.policy, engine.detector
    for name, protected in engine.taxonomy.protected.items():
        table.add_row(name, "always on", f"{detector.threshold(name):.2f}", protected.title)
    for name, domain in engine.taxonomy.domains.items():
        mode = policy.mode(name)
        counts = "" if mode == "off" else f"{detector.threshold(name):.2f}"
        style = "" if mode == "steer" else "dim"
        table.add_row(name, mode, counts, domain.title, style=style)
    return table


def _canaries(report: "CanaryReport") -> None:
    from corroborator.cli._view import quoted  # noqa: PLC0415 - slow; --help stays quick

    for head in report.heads:
        for miss in head.misses:
            happened = f"{head.head} should {miss.wanted}; {miss.found}"
            OUT.print(Text.assemble(("warning ", "magenta"), happened))
            OUT.print(
                Text(f"        {quoted(miss.text)}", "dim"), no_wrap=True, overflow="ellipsis"
            )
    for head in report.failing:
        OUT.print(Text.assemble(("FAILS ", "bold red"), f"{head.head}: {'; '.join(head.failures)}"))
    run = f"{counted(report.canaries, 'canary')} run, {counted(report.misses, 'warning')}"
    if report.failing:
        failing = f"{len(report.failing)} of {counted(len(report.heads), 'detector')}"
        OUT.print(Text(f"{failing} must not be relied on; {run}", "bold red"))
    else:
        works = f"{counted(len(report.heads), 'detector')} work; {run}"
        OUT.print(Text.assemble(("ok ", "bold green"), works))
