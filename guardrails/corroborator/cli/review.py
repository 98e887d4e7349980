"""``corroborator review``: the desk for those who read turns and judge them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from corroborator.cli._common import ERR, LOG, OUT, AuditOption, PolicyOption, note

if TYPE_CHECKING:
    from corroborator.audit import AuditLog
    from corroborator.review.desk import Desk

PORT = 8400

app = typer.Typer(help="Read turns, judge them, and correct the detectors, in the browser.")


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(app, name="review", rich_help_panel=LOG)


@app.callback(invoke_without_command=True)
def review(
    context: typer.Context,
    audit: AuditOption = None,
    policy: PolicyOption = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; this machine alone by default.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = PORT,
    address: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where reviewers reach it: https://review.example.org."),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy on the way does TLS.")
    ] = False,
) -> None:
    """Serve the desk until Ctrl-C.

    It listens on this machine alone. To let others in, give --host and --address, and either a
    certificate or --behind-proxy: without TLS, tokens and text would travel in the open.
    """
    if context.invoked_subcommand is not None:
        return
    from corroborator.review.serving import Place, serve  # noqa: PLC0415 - an extra

    place = Place(host, port, address, tls_cert, tls_key, behind_proxy)
    with _opened(audit, policy) as log:
        serve(log, policy, place, say=lambda words: OUT.print(Text(words), soft_wrap=True))


@app.command()
def invite(
    name: Annotated[
        str, typer.Argument(help="A short name; the log keeps it beside what they read.")
    ],
    role: Annotated[
        Literal["reviewer", "lead"], typer.Option(help="What they may do.")
    ] = "reviewer",
    audit: AuditOption = None,
    policy: PolicyOption = None,
) -> None:
    """Make a token for somebody, or a new one; it is shown once."""
    from corroborator.review.accounts import invite as invited  # noqa: PLC0415 - keeps --help quick
    from corroborator.review.clock import now  # noqa: PLC0415 - slow; --help stays quick

    with _opened(audit, policy) as log:
        OUT.print(Text(invited(log, name, role, now)), soft_wrap=True)
    note(f"{name} signs in with this token as {role}; it is not shown again")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Whose account.")],
    audit: AuditOption = None,
    policy: PolicyOption = None,
) -> None:
    """Close an account; what it answered stays."""
    from corroborator.review.accounts import revoke as revoked  # noqa: PLC0415 - keeps --help quick

    with _opened(audit, policy) as log:
        revoked(log, name)
    note(f"{name} can no longer sign in")


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = PORT,
    only_seed: Annotated[
        bool, typer.Option("--only-seed", help="Make the data and do not open the desk.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option(help="For the data; your data folder by default.")
    ] = None,
) -> None:
    """Open the desk on six weeks of made-up conversations, judged by the real guard."""
    from corroborator.audit import AuditLog, MasterKey  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.review.demonstration import demo_policy, seed  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.review.serving import Place, serve  # noqa: PLC0415 - an extra

    home = demo_folder(folder)
    database = home / f"review-{token_hex(4)}.db"
    url = f"sqlite:///{database}"
    with ERR.status("guarding made-up conversations; this takes a minute"):
        tokens = seed(url)
    for name, token in tokens.items():
        OUT.print(Text(f"{name}: {token}"), soft_wrap=True)
    if only_seed:
        OUT.print(Text(url), soft_wrap=True)
        return
    policy = demo_policy(home)
    with AuditLog.open(url, master_key=MasterKey.load(database=database)) as log:
        serve(
            log, policy, Place(port=port), say=lambda words: OUT.print(Text(words), soft_wrap=True)
        )


def demo_folder(folder: Path | None) -> Path:
    """Return the folder of the demonstration's data, made where it is not there."""
    from platformdirs import user_data_path  # noqa: PLC0415 - slow; --help stays quick

    home = folder or user_data_path("corroborator") / "review-demo"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


@contextmanager
def opened_desk(audit: str | None, policy: Path | None) -> Iterator["Desk"]:
    """Open a log that exists, and a desk over it."""
    from corroborator.cli._guard import open_engine  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.policy import load_policy  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.review.desk import Desk  # noqa: PLC0415 - slow; --help stays quick

    with _opened(audit, policy) as log:
        yield Desk.open(log, open_engine(load_policy(policy)))


@contextmanager
def _opened(audit: str | None, policy: Path | None) -> Iterator["AuditLog"]:
    """Open a log that exists, with its key where there is one, and the desk's tables in it."""
    from corroborator.cli._opened import opened_log  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.review.tables import prepare  # noqa: PLC0415 - slow; --help stays quick

    with opened_log(audit, policy) as opened:
        if opened.no_key is not None:
            note(f"sealed text cannot be read here: {opened.no_key}")
        prepare(opened.log.store)
        yield opened.log
