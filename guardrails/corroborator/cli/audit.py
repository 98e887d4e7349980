"""``corroborator audit``: whether the log is whole, what it says, and what is to be erased."""

from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from corroborator.cli import _checkpoint, _export, _keys
from corroborator.cli._checkpoint import read_checkpoint
from corroborator.cli._common import (
    ERR,
    FAILED,
    LOG,
    OUT,
    AuditOption,
    PolicyOption,
    age_of,
    counted,
    fail,
)
from corroborator.cli._opened import opened_log
from corroborator.errors import InputError
from corroborator.yaml_file import did_you_mean

if TYPE_CHECKING:
    from corroborator.audit import AuditLog, ErasureReport, StoredTurn
    from corroborator.exemplars import Exemplar
    from corroborator.taxonomy import Taxonomy

SHOWN_PROBLEMS = 20
ACTIONS = ("none", "steered", "revised", "replaced")

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]

app = typer.Typer(
    help="Verify, sign, read, export, replay, hold and erase the audit log.", no_args_is_help=True
)

_Conversation = Annotated[
    str | None,
    typer.Argument(
        metavar="CONVERSATION",
        help="Your id of a conversation, or the record that scan and show print.",
    ),
]


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    _checkpoint.register(app)
    _export.register(app)
    _keys.register(app)
    parent.add_typer(app, name="audit", rich_help_panel=LOG)


@app.command()
def verify(
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A signed checkpoint that was kept elsewhere."),
    ] = None,
    public_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The public key that it was signed for: name+id+key."),
    ] = None,
    audit: AuditOption = None,
    policy: PolicyOption = None,
) -> None:
    """Check that the log is what was written; exit status 0 only if it is.

    What only a checkpoint shows: a log cut short, a whole conversation removed, or all hashes
    computed anew, by someone who can write to the store.
    """
    against = read_checkpoint(checkpoint, public_key)
    with opened_log(audit, policy) as opened:
        report = opened.log.verify(against)
    verdict = Text("sound", "bold green") if report.ok else Text("not sound", "bold red")
    if report.ok and not report.events:
        verdict = Text("empty", "bold yellow")
    OUT.print(Text.assemble("The log is ", verdict, "."))
    OUT.print(
        f"{counted(report.chains, 'chain')}, {counted(report.events, 'event')}:"
        f" {counted(report.closed, 'turn')} closed, {counted(report.gaps, 'gap')},"
        f" {report.erased} erased."
    )
    if against is not None:
        counted_events = counted(against.size, "event")
        OUT.print(f"Compared with the checkpoint of {against.time}, over {counted_events}.")
    if opened.no_key is not None:
        OUT.print(
            Text(f"The keys of sealed content, if any, were not checked: {opened.no_key}"),
            soft_wrap=True,
        )
    for problem in report.problems[:SHOWN_PROBLEMS]:
        place = "store" if problem.chain is None else problem.chain
        place += "" if problem.seq is None else f"/{problem.seq}"
        OUT.print(Text(f"{place}: {problem.what}"), soft_wrap=True)
    if (more := len(report.problems) - SHOWN_PROBLEMS) > 0:
        OUT.print(f"and {more} more")
    if not report.ok:
        raise typer.Exit(FAILED)


@app.command()
def show(
    conversation: _Conversation = None,
    domain: Annotated[
        str | None, typer.Option(metavar="ID", help="Only turns where this was found.")
    ] = None,
    action: Annotated[
        str | None,
        typer.Option(metavar="WORD", help=f"Only turns where this was done: {', '.join(ACTIONS)}."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=_TIMES,
            metavar="TIME",
            help="Only turns from then on: 2026-05-31, or with T18:00; UTC.",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=_TIMES, metavar="TIME", help="Only turns before then."),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Only turns judged by this version or hash; its beginning will do.",
        ),
    ] = None,
    text: Annotated[
        bool, typer.Option("--text", help="Quote what was said, where it is kept under seal.")
    ] = False,
    audit: AuditOption = None,
    policy: PolicyOption = None,
) -> None:
    """Tell turns as a story: what was found, why, and what was done.

    Between them stands what changed in the configuration. The log notes that it was read.
    """
    from corroborator.cli._story import Narrator, changed  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.cli._view import width  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.taxonomy import load_taxonomy  # noqa: PLC0415 - slow; --help stays quick

    taxonomy = load_taxonomy()
    known = (*taxonomy.domains, *taxonomy.protected)
    if domain is not None and domain not in known:
        raise InputError(f"no family is called {domain}{did_you_mean(domain, known)}")
    if action is not None and action not in ACTIONS:
        raise InputError(f"no action is called {action}; there are {', '.join(ACTIONS)}")
    with opened_log(audit, policy) as opened:
        turns = opened.log.records(
            conversation, domain=domain, action=action, since=_utc(since), until=_utc(until)
        )
        wanted = (turn for turn in turns if version is None or _has(turn, version))
        first = next(wanted, None)
        if first is None:
            fail("no turn in the audit log matches; scan prints the records of transcripts", FAILED)
        opened.log.append(conversation, "accessed", {"by": "audit.show", "text": text})
        narrator = Narrator(taxonomy, _exemplars(policy, taxonomy), text, opened.no_key)
        changes = list(opened.log.configurations())
        before = None
        for turn in chain([first], wanted):
            told = (before or first).opened.time
            for change in (c for c in changes if told < c.time <= turn.opened.time):
                OUT.print(Padding(changed(change), (0, 0, 1, 0)), width=width(OUT))
            if before is None or turn.chain != before.chain:
                OUT.print(Text(f"Conversation {turn.chain}", style="bold"))
            OUT.print(Padding(narrator.tell(turn, before), (0, 0, 1, 0)), width=width(OUT))
            before = turn


@app.command()
def replay(
    conversation: _Conversation = None, audit: AuditOption = None, policy: PolicyOption = None
) -> None:
    """Decide sealed turns again, with the model and the policy of now.

    Exit status 1 only where a turn is decided otherwise although every version is the same.
    """
    from corroborator.cli._guard import open_engine  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.policy import load_policy  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.replay import replay as replayed  # noqa: PLC0415 - slow; --help stays quick

    with opened_log(audit, policy) as opened, ERR.status("deciding again"):
        engine = open_engine(load_policy(policy))
        report = replayed(engine, opened.log.records(conversation))
    OUT.print(f"Decided as then: {report.same}. Decided otherwise: {len(report.different)}.")
    for turn in report.different:
        versions = f"; other {', '.join(turn.versions)}" if turn.versions else "; SAME VERSIONS"
        words = f"{turn.chain}/{turn.seq}: {', '.join(turn.differences)}{versions}"
        OUT.print(Text(words), soft_wrap=True)
    for obstacle, count in report.obstacles.items():
        OUT.print(f"Not replayable: {counted(count, 'turn')}, {obstacle}.")
    if report.same or report.different:
        OUT.print(
            f"Encoding the text again: cosine at least {1 - report.drift:.6f} to what was stored."
        )
    if report.resplit:
        OUT.print(f"{counted(report.resplit, 'statement')} would be cut differently now.")
    if report.unexplained:
        raise typer.Exit(FAILED)


@app.command()
def erase(
    conversation: _Conversation = None,
    subject: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="All conversations of a person, by your id of them; or all scans of a transcript.",
        ),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            metavar="AGE", help="All conversations without a turn for so long: 36h, 30d, 8w."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    audit: AuditOption = None,
    policy: PolicyOption = None,
) -> None:
    """Erase conversations for good: what was said and what was found.

    Text, findings, index and names go, and the key with them. A tombstone stays in the chain, and
    the log stays verifiable. Copies of the store made before, and what your application keeps
    itself, are not reached.
    """
    from corroborator.review.traces import traces  # noqa: PLC0415 - slow; --help stays quick

    given = [(conversation, "this conversation"), (subject, "every conversation of this subject")]
    given.append((older_than, f"every conversation without a turn for {older_than}"))
    chosen = [what for value, what in given if value is not None]
    if len(chosen) != 1:
        raise InputError("give one of: a conversation, --subject, --older-than")
    age = None if older_than is None else age_of(older_than)
    with opened_log(audit, policy) as opened:
        if not yes:
            typer.confirm(f"Erase {chosen[0]} for good?", abort=True, err=True)
        report = _erased(opened.log, conversation, subject, age)
        left = traces(opened.log, report.chains)
    if report.chains:
        what = f"{counted(len(report.chains), 'conversation')}, {counted(report.details, 'record')}"
        OUT.print(f"Erased: {what}.")
    for words in left:
        OUT.print(Text(f"Kept: {words}"), soft_wrap=True)
    if report.chains and report.beyond:
        OUT.print(Text(f"Out of reach: {report.beyond}."), soft_wrap=True)
    if not report.complete:
        fail(
            "a reader keeps the store's write-ahead log from being cut; end it and erase again",
            FAILED,
        )
    if report.held:
        fail(f"under a legal hold, and kept: {counted(len(report.held), 'conversation')}", FAILED)
    if not report.chains:
        fail("there was nothing to erase; a scanned transcript goes by --subject ID", FAILED)


@app.command()
def hold(
    conversation: Annotated[str, typer.Argument(metavar="CONVERSATION", help="As for show.")],
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
    audit: AuditOption = None,
    policy: PolicyOption = None,
) -> None:
    """Put a conversation under a legal hold: nothing erases it until the hold is ended.

    The log notes both.
    """
    with opened_log(audit, policy) as opened:
        opened.log.hold(conversation, held=not release)
    OUT.print("The hold is ended." if release else "Held.")


def _erased(
    log: "AuditLog", conversation: str | None, subject: str | None, age: timedelta | None
) -> "ErasureReport":
    if conversation is not None:
        return log.erase(conversation)
    if subject is not None:
        return log.erase_subject(subject)
    return log.erase_before(datetime.now(UTC) - (age or timedelta()))


def _exemplars(policy: Path | None, taxonomy: "Taxonomy") -> dict[str, "Exemplar"]:
    from corroborator.exemplars import shipped_exemplars, user_exemplars  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.policy import load_policy  # noqa: PLC0415 - slow; --help stays quick

    own = load_policy(policy).exemplars
    bank = shipped_exemplars(taxonomy) + (user_exemplars(own, taxonomy) if own else ())
    return {exemplar.id: exemplar for exemplar in bank}


def _has(turn: "StoredTurn", version: str) -> bool:
    from corroborator.stored_record import read_versions  # noqa: PLC0415 - slow; --help stays quick

    return any(value.startswith(version) for value in read_versions(turn).values())


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
