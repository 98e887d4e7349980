"""``corroborator audit rekey``: another master key for what is under seal."""

from pathlib import Path
from typing import Annotated

import typer

from corroborator.cli._common import FAILED, OUT, AuditOption, PolicyOption, counted, fail
from corroborator.cli._opened import opened_log


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(rekey)


def rekey(
    new: Annotated[
        Path, typer.Argument(metavar="FILE", help="Holds the new key: 32 random bytes in base64.")
    ],
    audit: AuditOption = None,
    policy: PolicyOption = None,
) -> None:
    """Replace the master key: what is sealed stays readable, with the new key alone.

    The old key is taken from where it always is. Afterwards put the new one in its place, and start
    anew whatever writes to the log. The log notes the change.
    """
    from corroborator.audit import MasterKey  # noqa: PLC0415 - slow; --help stays quick

    with opened_log(audit, policy) as opened:
        if opened.no_key is not None:
            fail(opened.no_key)
        report = opened.log.rekey(MasterKey.read(new, database=opened.log.store.path))
    OUT.print(f"Wrapped anew: {counted(report.keys, 'key')}, under master key {report.after}.")
    OUT.print(f"Put {new} in the place of master key {report.before} now.", soft_wrap=True)
    if not report.complete:
        problem = "a reader keeps the store's write-ahead log from being cut; end it, and run: "
        fail(f"{problem}corroborator audit rekey with yet another key", FAILED)
