"""``corroborator audit keygen``, ``checkpoint`` and ``prove``: what is kept apart from the log."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from corroborator.cli._common import (
    FAILED,
    OUT,
    AuditOption,
    PolicyOption,
    age_of,
    fail,
    write_line,
)
from corroborator.cli._opened import opened_log
from corroborator.errors import InputError
from corroborator.transcripts import STANDARD_STREAM

if TYPE_CHECKING:
    from corroborator.audit import AuditLog, Checkpoint, SigningKey

_SUFFIX = ".checkpoint"  # the names of such files sort like their times


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (keygen, checkpoint, prove):
        app.command()(command)


def keygen(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="A new file for the private key.")],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What verifiers call it, such as a host name.")
    ] = "corroborator",
) -> None:
    """Make a key that signs checkpoints; prints the public key.

    Keep the private key where those who can write to the log cannot read it.
    """
    from corroborator.audit import SigningKey  # noqa: PLC0415 - slow; --help stays quick

    write_line(str(SigningKey.create(out, name).public))


def checkpoint(
    key: Annotated[Path, typer.Option(metavar="FILE", help="The key from `audit keygen`.")],
    out: Annotated[
        str,
        typer.Argument(
            metavar="OUT",
            help="A new file; a folder, for one after the other; - for standard output.",
        ),
    ] = "-",
    every: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Go on, with a pause of so long: 1h, 1d. Needs a folder."),
    ] = None,
    audit: AuditOption = None,
    policy: PolicyOption = None,
) -> None:
    """Sign what the log is now, in a few lines; keep them elsewhere.

    In a folder, the log is compared with the newest checkpoint before the next is signed. Exit status
    1 where it is not the same log gone on; then nothing is signed. A checkpoint holds no text and
    nothing about anybody.
    """
    from corroborator.audit import SigningKey  # noqa: PLC0415 - slow; --help stays quick

    signing = SigningKey.load(key)
    folder = Path(out) if out != STANDARD_STREAM and Path(out).is_dir() else None
    pause = None if every is None else age_of(every)
    if pause is not None and folder is None:
        raise InputError("--every needs a folder that is there, for one checkpoint after the other")
    while True:
        with opened_log(audit, policy) as opened:
            if folder is not None:
                _sign_next(opened.log, signing, folder)
            else:
                _sign(opened.log, signing, out)
        if pause is None:
            return
        time.sleep(pause.total_seconds())


def _sign(log: "AuditLog", signing: "SigningKey", out: str) -> None:
    signed = signing.sign(log.checkpoint())
    if out == STANDARD_STREAM:
        sys.stdout.write(signed)
    elif Path(out).exists():
        fail(f"{out} is there already; name another file, or a folder")
    else:
        Path(out).write_text(signed, encoding="utf-8")


def _sign_next(log: "AuditLog", signing: "SigningKey", folder: Path) -> None:
    """Sign into a folder, unless the log contradicts what was signed there last."""
    newest = max(folder.glob(f"*{_SUFFIX}"), default=None)
    if newest is not None:
        found = log.contradictions(signing.public.open(newest.read_text("utf-8")))
        if found:
            fail(f"nothing was signed, for against {newest}: {'; '.join(found)}", FAILED)
    now = log.checkpoint()
    path = folder / f"{now.time.replace(':', '')}{_SUFFIX}"
    draft = path.with_suffix(".draft")
    draft.write_text(signing.sign(now), encoding="utf-8")
    draft.replace(path)  # whole, or not at all
    OUT.print(Text(str(path)), soft_wrap=True)


def prove(
    record: Annotated[
        str, typer.Argument(metavar="RECORD", help="Conversation and place, as records show them.")
    ],
    checkpoint: Annotated[Path, typer.Option(metavar="FILE", help="A signed checkpoint.")],
    public_key: Annotated[str, typer.Option(metavar="KEY", help="Its public key.")],
    audit: AuditOption = None,
    policy: PolicyOption = None,
) -> None:
    """Prove that a record is in the log of a checkpoint, without the rest of the log.

    Prints an object with the record's hash, its place and the hashes up to the signed root.
    """
    against = read_checkpoint(checkpoint, public_key)
    chain_name, _, seq = record.partition("/")
    if against is None or not seq.isdigit():
        raise InputError("write a record as CONVERSATION/NUMBER, for example from `audit show`")
    with opened_log(audit, policy) as opened:
        proof = opened.log.prove(chain_name, int(seq), against)
    write_line(json.dumps(proof.to_json()))


def read_checkpoint(file: Path | None, key: str | None) -> "Checkpoint | None":
    """Return a checkpoint whose signature holds."""
    from corroborator.audit import PublicKey  # noqa: PLC0415 - slow; --help stays quick

    if file is None and key is None:
        return None
    if file is None or key is None:
        raise InputError("give both, --checkpoint and --public-key")
    return PublicKey.parse(key).open(file.read_text("utf-8"))
