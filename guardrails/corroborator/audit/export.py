"""The lines of an export, in the form of ``rails_config/schema/record.schema.json``.

Turns come first, then the events that belong to none: with both, whoever receives an export can
compute every hash of every chain, and the commitments of plain details, without the database.
"""

import base64
from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from corroborator.audit.canonical import JSON
from corroborator.audit.chain import Record
from corroborator.audit.reading import StoredTurn, event_record, paged
from corroborator.audit.store import Store
from corroborator.audit.tables import events

SCHEMA = 1


def turn_line(turn: StoredTurn, *, with_text: bool) -> dict[str, JSON]:
    """Return a turn as a line of an export."""
    closed = turn.closed
    return {
        "schema": SCHEMA,
        "record": "turn",
        "conversation": turn.chain,
        "status": turn.status,
        "intact": turn.intact,
        "opened": turn.opened.to_json(),
        "closed": None if closed is None else closed.to_json(),
        "salt": None if turn.salt is None else base64.b64encode(turn.salt).decode(),
        "detail": turn.detail,
        "text": turn.text if with_text else None,
    }


def event_line(record: Record, *, intact: bool) -> dict[str, JSON]:
    """Return an event that belongs to no turn as a line of an export."""
    return {"schema": SCHEMA, "record": "event", "intact": intact, "event": record.to_json()}


def turns_until(connection: Connection, last: int) -> int:
    """Return the number of turns opened up to a row number."""
    opened = (events.c.kind == "opened") & (events.c.id <= last)
    return connection.scalar(select(func.count()).where(opened)) or 0


def other_events(store: Store, last: int) -> Iterator[tuple[Record, bool]]:
    """Return the events that belong to no turn, and whether each is what was written."""
    wanted = events.c.kind.not_in(("opened", "closed")) & (events.c.id <= last)
    for row in paged(store, select(events).where(wanted), events.c.id):
        yield event_record(row)
