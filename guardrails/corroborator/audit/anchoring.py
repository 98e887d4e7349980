"""The events of a store as the leaves of a Merkle tree, and what a checkpoint shows about them."""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Connection, select

from corroborator.audit.canonical import JSON
from corroborator.audit.checkpoint import Checkpoint
from corroborator.audit.merkle import (
    Hash,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    tree_root,
)
from corroborator.audit.tables import events
from corroborator.errors import InputError

_ROWS_AT_ONCE = 1000


def leaves(
    connection: Connection, size: int | None = None, last: int | None = None
) -> Iterator[Hash]:
    """Yield the leaves in the order of row numbers.

    Args:
        connection: to the store.
        size: the first so many.
        last: up to this row number, from `Store.last_event`: none is written below it afterwards.
    """
    query = select(events.c.hash).order_by(events.c.id).limit(size)
    if last is not None:
        query = query.where(events.c.id <= last)
    for value in connection.execute(query).yield_per(_ROWS_AT_ONCE).scalars():
        yield leaf_hash(_raw(value))


def taken(connection: Connection, origin: str, time: str, last: int) -> Checkpoint:
    """Return the checkpoint of a store up to a row number; see `leaves`."""
    size, root = tree_root(leaves(connection, last=last))
    return Checkpoint(origin, size, root, time)


def contradictions(connection: Connection, origin: str, checkpoint: Checkpoint) -> Iterator[str]:
    """Say in what a store is not the one that a checkpoint was taken of, gone on."""
    if checkpoint.origin != origin:
        yield f"the checkpoint is of another log, {checkpoint.origin}; this one is {origin}"
        return
    size, root = tree_root(leaves(connection, checkpoint.size))
    if size < checkpoint.size:
        yield f"{checkpoint.size - size} events that were there at the checkpoint are missing"
    elif root != checkpoint.root:
        yield "events from before the checkpoint were changed, moved or replaced"


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That an event is in the log of a checkpoint, without the rest of the log.

    Attributes:
        event: sha256 of the event, as its record and an export show it.
        place: its number in the order of writing, from 0.
        path: hashes up to the root.
    """

    event: str
    place: int
    path: tuple[Hash, ...]

    def shows(self, checkpoint: Checkpoint) -> bool:
        """Whether it leads to the checkpoint's root."""
        leaf = leaf_hash(_raw(self.event))
        return is_included(leaf, self.place, checkpoint.size, self.path, checkpoint.root)

    def to_json(self) -> dict[str, JSON]:
        """Return it as JSON."""
        path = [base64.b64encode(part).decode() for part in self.path]
        return {"event": self.event, "place": self.place, "path": path}

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read what `to_json` returned.

        Raises:
            InputError: it is not that.
        """
        if isinstance(data, Mapping):
            event, place, path = data.get("event"), data.get("place"), data.get("path")
            if isinstance(event, str) and isinstance(place, int) and isinstance(path, list):
                try:
                    parts = tuple(base64.b64decode(str(part), validate=True) for part in path)
                    return cls(event, place, parts)
                except binascii.Error:
                    pass
        raise InputError("this is no inclusion proof: an object with event, place and path")


def proof_of(connection: Connection, chain: str, seq: int, size: int) -> InclusionProof:
    """Prove that an event is among the first `size`.

    Raises:
        InputError: it is not among them.
    """
    wanted = select(events.c.hash).where(events.c.chain == chain, events.c.seq == seq)
    event = connection.scalar(wanted)
    found = list(leaves(connection, size))
    leaf = b"" if event is None else leaf_hash(_raw(event))
    if event is None or leaf not in found:
        raise InputError("there is no such event in the log of the checkpoint")
    place = found.index(leaf)
    return InclusionProof(str(event), place, tuple(inclusion_proof(found, place)))


def consistency(connection: Connection, earlier: Checkpoint, later: Checkpoint) -> Sequence[Hash]:
    """Prove that the log of a checkpoint begins with that of an earlier one.

    Raises:
        InputError: the store is not the one that both were taken of.
    """
    found = list(leaves(connection, later.size))
    if not 0 < earlier.size <= len(found) == later.size:
        raise InputError("the log has fewer events than the checkpoints say, or none")
    proof = consistency_proof(found, earlier.size)
    if not is_consistent(earlier.size, earlier.root, later.size, later.root, proof):
        raise InputError("the log is not the one that these checkpoints were taken of")
    return proof


def _raw(digest: object) -> bytes:
    """Return a stored hash as bytes; what was tampered with to be none is its own leaf."""
    text = str(digest)
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.encode("utf-8", "surrogatepass")
