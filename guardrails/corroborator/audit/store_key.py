"""Which master key a store goes by."""

from corroborator.audit.contents import ContentKind
from corroborator.audit.keys import MasterKey
from corroborator.audit.rekey import replaced_at
from corroborator.audit.store import Store
from corroborator.errors import MasterKeyError


def master_key_of(store: Store, content: ContentKind, given: MasterKey | None) -> MasterKey | None:
    """Return the key to use, and note its id in a store that seals for the first time.

    Raises:
        MasterKeyError: there is none, or the store was sealed under another.
    """
    known = store.meta().master_key_id
    key = given
    if key is None and content == "sealed":
        key = MasterKey.load(database=store.path, create=known is None)
    if key is None:
        return None
    if known is None and content == "sealed":
        known = store.note_master_key(key.id)
    if known is not None and known != key.id:
        raise MasterKeyError(_wrong_key(store, known, key.id))
    return key


def _wrong_key(store: Store, known: str, given: str) -> str:
    meta = store.meta()
    time = store.read(lambda connection: replaced_at(connection, meta, given))
    if time is not None:
        return (
            f"master key {given} was replaced by another on {time}; the store is sealed under "
            f"{known} now: give that one"
        )
    return (
        f"this store was sealed under master key {known}, and the key given is {given}; "
        "give the one it was sealed under"
    )
