"""What is kept of a turn beside the chain: plain without text, or sealed with it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

from sqlalchemy import Connection, bindparam, select

from corroborator.audit.canonical import JSON, canonical, digest, parse, parse_object
from corroborator.audit.keys import MasterKey
from corroborator.audit.sealing import new_data_key, seal, unseal, unwrap, wrap
from corroborator.audit.tables import keys, meta
from corroborator.errors import IntegrityError, MasterKeyError

ContentKind = Literal["none", "sealed"]
_SALT_BYTES = 32
_STORED = select(meta.c.master_key_id, keys.c.wrapped).select_from(
    meta.outerjoin(keys, keys.c.chain == bindparam("of"))
)
_HELD = select(meta.c.master_key_id).with_for_update(read=True)  # SQLite has no other writer


@dataclass(frozen=True, slots=True)
class Content:
    """A row of `details`.

    Attributes:
        salt: 32 random bytes, so that a plain detail cannot be guessed from its commitment.
        plain: canonical JSON of the detail; or
        sealed: the detail and the text, encrypted.
    """

    salt: bytes | None = field(default=None, repr=False)
    plain: str | None = field(default=None, repr=False)
    sealed: bytes | None = field(default=None, repr=False)

    @classmethod
    def of_detail(cls, detail: Mapping[str, object]) -> Self:
        """Keep a detail plain, and no text."""
        return cls(secrets.token_bytes(_SALT_BYTES), canonical(detail).decode(), None)

    @classmethod
    def of_text(
        cls,
        detail: Mapping[str, object],
        text: Mapping[str, object] | None,
        data_key: bytes,
        place: str,
    ) -> Self:
        """Seal a detail and the text to one place in one chain."""
        both = canonical({"detail": detail, "text": text})
        return cls(sealed=seal(data_key, both, place))

    @property
    def kind(self) -> ContentKind:
        """``none`` where no text is kept."""
        return "none" if self.sealed is None else "sealed"

    def commitment(self) -> str | None:
        """Return the hash that the chain holds; None where a row is not what was written.

        It is the sha256 of salt and plain detail, or of what was sealed.
        """
        if isinstance(self.sealed, bytes):
            return digest(self.sealed)
        if isinstance(self.salt, bytes) and isinstance(self.plain, str):
            return digest(self.salt + self.plain.encode("utf-8", "surrogateescape"))
        return None

    def read(
        self, data_key: bytes | None, place: str
    ) -> tuple[Mapping[str, JSON] | None, Mapping[str, JSON] | None]:
        """Return detail and text, each None where it is not there or has no key.

        Raises:
            IntegrityError: what was sealed was changed.
        """
        if self.sealed is None:
            return parse_object(self.plain), None
        if data_key is None:
            return None, None
        both = parse(unseal(data_key, self.sealed, place))
        match both:
            case {"detail": Mapping() as detail, "text": Mapping() | None as text}:
                return detail, text
        raise IntegrityError("sealed content is of another form")


def place_of(chain: str, seq: int, kind: str) -> str:
    """Return the place to which sealed content is bound."""
    return f"{chain}:{seq}:{kind}"


def data_key(connection: Connection, master: MasterKey, chain: str) -> bytes:
    """Return the key of a chain, and make it where there is none.

    Raises:
        IntegrityError: the stored key was changed.
        MasterKeyError: the store has another master key since it was opened.
    """
    known = known_key(connection, master, chain)
    if known is not None:
        return known
    require_current(master, connection.scalar(_HELD))  # and it stays so until the key is kept
    key = new_data_key()
    connection.execute(keys.insert(), {"chain": chain, "wrapped": wrap(master, key, chain)})
    return key


def known_key(connection: Connection, master: MasterKey, chain: str) -> bytes | None:
    """Return the key of a chain; None where there is none.

    Raises:
        IntegrityError: the stored key was changed.
        MasterKeyError: the store has another master key since it was opened.
    """
    stored = connection.execute(_STORED, {"of": chain}).one()
    if stored.wrapped is None:
        return None
    require_current(master, stored.master_key_id)
    return unwrap(master, stored.wrapped, chain)


def require_current(master: MasterKey, noted: str | None) -> None:
    """Refuse a master key that was replaced while this process ran.

    Raises:
        MasterKeyError: the store is sealed under another.
    """
    if master.id != noted:
        raise MasterKeyError(
            f"the master key of this store was changed to {noted} while this process ran; start it "
            "anew with that key"
        )
