"""Another master key for a store: the keys of its conversations are wrapped anew, and nothing else."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from corroborator.audit.canonical import JSON, parse_object
from corroborator.audit.chain import append
from corroborator.audit.keys import MasterKey
from corroborator.audit.notes import system_head
from corroborator.audit.sealing import unwrap, wrap
from corroborator.audit.store import Meta
from corroborator.audit.tables import events, keys
from corroborator.audit.tables import meta as meta_table
from corroborator.errors import InputError, MasterKeyError


@dataclass(frozen=True, slots=True)
class RekeyReport:
    """What came of a change of the master key.

    Attributes:
        before, after: ids of the master keys.
        keys: how many keys of conversations were wrapped anew.
        complete: whether nothing that the old key unwraps is left in the files of the database;
            False where a reader kept the write-ahead log from being cut: erase something, or
            change the key again.
    """

    before: str
    after: str
    keys: int
    complete: bool


def rekey(connection: Connection, meta: Meta, time: str, old: MasterKey, new: MasterKey) -> int:
    """Wrap every key of a conversation anew, and append `rekeyed`; returns how many.

    Raises:
        InputError: both keys are the same.
        MasterKeyError: the old one is not the store's.
        IntegrityError: a key was changed; nothing is done.
    """
    if old.id == new.id:
        raise InputError("this is the master key that the store has already")
    noted = meta_table.c.master_key_id
    # first: whoever makes a key holds this row until it is kept (`contents.data_key`)
    if not connection.execute(
        meta_table.update().where(noted == old.id).values(master_key_id=new.id)
    ).rowcount:
        raise MasterKeyError("the store is not sealed under the master key that is to be replaced")
    kept = connection.execute(
        select(keys.c.id, keys.c.chain, keys.c.wrapped).where(keys.c.wrapped.is_not(None))
    ).all()
    count = 0
    for row in kept:
        wrapped = wrap(new, unwrap(old, row.wrapped, row.chain), row.chain)
        as_read = (keys.c.id == row.id) & (keys.c.wrapped == row.wrapped)  # not one erased just now
        count += connection.execute(keys.update().where(as_read).values(wrapped=wrapped)).rowcount
    body: dict[str, JSON] = {"before": old.id, "after": new.id, "keys": count}
    append(connection, system_head(connection, meta, time), "rekeyed", time, body)
    return count


def replaced_at(connection: Connection, meta: Meta, key_id: str) -> str | None:
    """Return when a master key was replaced; None where it never was this store's."""
    told = select(events.c.time, events.c.body).where(
        events.c.chain == meta.system_chain, events.c.kind == "rekeyed"
    )
    for row in connection.execute(told.order_by(events.c.seq.desc())):
        if (parse_object(row.body) or {}).get("before") == key_id:
            return str(row.time)
    return None
