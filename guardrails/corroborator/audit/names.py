"""From the host's ids to chains: keyed hashes, in rows that can be erased."""

import hmac

from sqlalchemy import Connection, select

from corroborator.audit.store import Meta
from corroborator.audit.tables import conversations, lookup

_BUCKET_BYTES = 2


def pseudonym(meta: Meta, kind: str, name: str) -> bytes:
    """Return the HMAC-SHA256 of a host's id; `kind` keeps conversations and subjects apart."""
    message = f"{kind}:{name}".encode("utf-8", "surrogatepass")
    return hmac.digest(meta.lookup_key, message, "sha256")


def chain_of(connection: Connection, meta: Meta, conversation: str) -> str | None:
    """Return the chain of a conversation by the host's id; None where there is none."""
    name = pseudonym(meta, "conversation", conversation)
    found: str | None = connection.scalar(
        select(lookup.c.chain).where(
            lookup.c.bucket == _bucket(name), lookup.c.conversation == name
        )
    )
    return found


def chain_named(connection: Connection, meta: Meta, name: str) -> str | None:
    """Return the chain of a conversation by the host's id, or by the pseudonym that exports show."""
    found = chain_of(connection, meta, name)
    if found is None and name != meta.system_chain:
        found = connection.scalar(
            select(conversations.c.chain).where(conversations.c.chain == name)
        )
    return found


def register(
    connection: Connection, meta: Meta, chain: str, conversation: str | None, subject: str | None
) -> None:
    """Note under which ids of the host a new chain is found."""
    if conversation is None and subject is None:
        return
    name = None if conversation is None else pseudonym(meta, "conversation", conversation)
    connection.execute(
        lookup.insert().values(
            chain=chain,
            bucket=None if name is None else _bucket(name),
            conversation=name,
            subject=None if subject is None else pseudonym(meta, "subject", subject),
        )
    )


def _bucket(name: bytes) -> int:
    """Return the only part of a name that an index may hold; see `corroborator.audit.tables`."""
    return int.from_bytes(name[:_BUCKET_BYTES])
