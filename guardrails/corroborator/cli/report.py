"""``corroborator report``: how the guard did over a period, without any text."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from corroborator.cli._common import LOG, OUT, AuditOption, PolicyOption
from corroborator.errors import ConfigError, InputError

_DAY = ["%Y-%m-%d"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=LOG)(report)


def report(
    start: Annotated[
        datetime, typer.Option("--from", formats=_DAY, metavar="DAY", help="First day: 2026-05-01.")
    ],
    end: Annotated[
        datetime, typer.Option("--to", formats=_DAY, metavar="DAY", help="Last day: 2026-05-31.")
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder for report.html and report.csv.")
    ] = Path(),
    audit: AuditOption = None,
    policy: PolicyOption = None,
) -> None:
    """Write a surveillance report: one page that loads nothing, and one table.

    Counts, shares with intervals from the reviews, drift of scores; no text of anybody. The log
    notes it.
    """
    period = (start.date(), end.date() + timedelta(1))
    if period[0] >= period[1]:
        raise InputError("--from must not come after --to")
    targets = (out / "report.html", out / "report.csv")
    for target in targets:
        if target.exists():
            raise InputError(f"{target} is there already; name another folder")
    contents = _written(audit, policy, *period)
    out.mkdir(parents=True, exist_ok=True)
    for target, content in zip(targets, contents, strict=True):
        target.write_text(content, encoding="utf-8")
        OUT.print(Text(str(target)), soft_wrap=True)


def _written(audit: str | None, policy: Path | None, start: date, end: date) -> tuple[str, str]:
    try:
        from corroborator.review.report import as_page, as_table, gather  # noqa: PLC0415 - an extra
    except ImportError as error:
        problem = f"the report needs {error.name}: pip install 'corroborator[review]'"
        raise ConfigError(problem) from None
    from corroborator.cli.review import opened_desk  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.review.counts import Period  # noqa: PLC0415 - slow; --help stays quick

    with opened_desk(audit, policy) as desk:
        desk.index.refresh()
        shown = gather(desk.disputes, Period(start, end))
        note = {"what": "report", "from": start.isoformat(), "to": end.isoformat()}
        desk.log.append(None, "exported", note)
        return as_page(shown), as_table(shown)
