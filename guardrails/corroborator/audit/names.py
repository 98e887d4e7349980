"""From the host's ids to chains: keyed hashes, in rows that can be erased."""

import hmac

from sqlalchemy import Connection, bindparam, select

from corroborator.audit.chain import find_head
from corroborator.audit.store import Meta
from corroborator.audit.tables import lookup

_BUCKET_BYTES = 2
_CHAIN = select(lookup.c.chain).where(
    lookup.c.bucket == bindparam("in"), lookup.c.conversation == bindparam("name")
)


def pseudonym(meta: Meta, kind: str, name: str) -> bytes:
    """Return the HMAC-SHA256 of a host's id; `kind` keeps conversations and subjects apart."""
    message = f"{kind}:{name}".encode("utf-8", "surrogatepass")
    return hmac.digest(meta.lookup_key, message, "sha256")


def chain_of(connection: Connection, meta: Meta, conversation: str) -> str | None:
    """Return the chain of a conversation by the host's id; None where there is none."""
    name = pseudonym(meta, "conversation", conversation)
    chain: str | None = connection.scalar(_CHAIN, {"in": _bucket(name), "name": name})
    return chain


def chain_named(connection: Connection, meta: Meta, name: str) -> str | None:
    """Return the chain of a conversation by the host's id, or by the pseudonym that exports show."""
    chain = chain_of(connection, meta, name)
    if chain is None and name != meta.system_chain and find_head(connection, name) is not None:
        chain = name
    return chain


def chains_of_subject(connection: Connection, meta: Meta, subject: str) -> list[str]:
    """Return the chains of all conversations of a person, by the host's id of the person."""
    name = pseudonym(meta, "subject", subject)
    found = select(lookup.c.chain).where(lookup.c.subject == name).distinct()
    return list(connection.scalars(found))


def register(
    connection: Connection, meta: Meta, chain: str, conversation: str | None, subject: str | None
) -> None:
    """Note under which ids of the host a new chain is found."""
    if conversation is None and subject is None:
        return
    name = None if conversation is None else pseudonym(meta, "conversation", conversation)
    row = {
        "chain": chain,
        "bucket": None if name is None else _bucket(name),
        "conversation": name,
        "subject": None if subject is None else pseudonym(meta, "subject", subject),
    }
    connection.execute(lookup.insert(), row)


def register_subject(connection: Connection, meta: Meta, chain: str, subject: str) -> None:
    """Note a person of a chain that is there; a new row, since none may grow (see `tables`)."""
    noted = select(lookup.c.subject).where(lookup.c.chain == chain)
    if pseudonym(meta, "subject", subject) not in connection.scalars(noted).all():
        register(connection, meta, chain, None, subject)


def _bucket(name: bytes) -> int:
    """Return the only part of a name that an index may hold; see `corroborator.audit.tables`."""
    return int.from_bytes(name[:_BUCKET_BYTES])
