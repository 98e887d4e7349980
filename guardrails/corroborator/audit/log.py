"""The audit log: one object for everything that is done with it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain as joined
from typing import BinaryIO, Self, get_args

from sqlalchemy import Connection

from corroborator.audit import notes, turns
from corroborator.audit.anchoring import InclusionProof, contradictions, proof_of, taken
from corroborator.audit.bodies import ClosedBody, NoteBody, OpenedBody, checked
from corroborator.audit.chain import NoteKind, Record, iso_time
from corroborator.audit.checkpoint import Checkpoint
from corroborator.audit.contents import ContentKind, known_key
from corroborator.audit.erase import ErasureReport, erase_chains, quiet_since, set_hold
from corroborator.audit.export import event_line, other_events, turn_line, turns_until
from corroborator.audit.formats import Format, writer_of
from corroborator.audit.keys import MasterKey
from corroborator.audit.names import chain_named, chains_of_subject
from corroborator.audit.reading import StoredTurn, TurnFilter, ended_turns, stored_turns
from corroborator.audit.rekey import RekeyReport, rekey
from corroborator.audit.sealing import seal, unseal
from corroborator.audit.store import Store
from corroborator.audit.store_key import master_key_of
from corroborator.audit.turns import IndexRow, TurnHandle
from corroborator.audit.verify import Problem, VerifyReport, verify
from corroborator.errors import AuditError, InputError, MasterKeyError


def _now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """The audit log of one store; safe to share between threads, tasks and forks.

    Every method raises `StoreError` where the store is locked, full, read-only or damaged,
    `IntegrityError` where it was changed so that it cannot go on, and `InputError` where a value
    is not JSON or must not be kept. None of these holds a value that was given.

    Where a method takes a conversation, it is the host's own id of it, or the pseudonym that
    records and exports show; `open_turn` takes the host's id alone.
    """

    def __init__(
        self,
        store: Store,
        content: ContentKind,
        master_key: MasterKey | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._store, self._content, self._clock = store, content, clock
        self._master, self._meta = master_key, store.meta()

    @classmethod
    def open(
        cls,
        url: str,
        *,
        content: ContentKind = "none",
        master_key: MasterKey | None = None,
        clock: Callable[[], datetime] = _now,
        create: bool = True,
    ) -> Self:
        """Open a store, and make it where there is none.

        A new file can be read by its owner alone. Its folder must exist.

        Args:
            url: ``sqlite:///path``, ``sqlite://`` for memory, or ``postgresql://host/database``.
            content: ``none`` keeps no text; ``sealed`` keeps it encrypted.
            master_key: by default, where content is sealed, `MasterKey.load`; a key file is made
                for a store that has never sealed anything. With ``none`` it only serves to read.
            clock: what time it is.
            create: whether to make a store where there is none.

        Raises:
            StoreError: the store cannot be opened.
            MasterKeyError: there is no master key, or the store was sealed under another.
        """
        store = Store.open(url, create=create)
        try:
            return cls(store, content, master_key_of(store, content, master_key), clock)
        except AuditError:
            store.close()
            raise

    def open_turn(
        self,
        conversation: str | None,
        opened: Mapping[str, object],
        subject: str | None = None,
    ) -> TurnHandle:
        """Append `opened`; it is on the disk when this returns.

        Args:
            conversation: the host's id, of which only a keyed hash is kept; None begins a chain
                that no id leads to.
            opened: see `corroborator.audit.bodies.OpenedBody`.
            subject: the host's id of the person, of which only a keyed hash is kept; all their
                conversations can be erased by it.
        """
        body = checked(OpenedBody, opened)
        return self._store.write(
            lambda connection: turns.open_turn(
                connection,
                self._meta,
                conversation=conversation,
                subject=subject,
                time=self._time(),
                body=body,
            )
        )

    def close_turn(
        self,
        handle: TurnHandle,
        body: Mapping[str, object],
        detail: Mapping[str, object],
        sealed: Mapping[str, object] | None = None,
        index: Sequence[IndexRow] = (),
    ) -> Record:
        """Append `closed`, and keep what may be kept beside it; once for each turn.

        Nothing but the event is kept where the conversation was erased since the turn was opened.

        Args:
            handle: what `open_turn` returned.
            body: see `corroborator.audit.bodies.ClosedBody`.
            detail: what was judged, as JSON without text and vectors.
            sealed: text and vectors; dropped unless content is sealed.
            index: by what the turn is found.
        """
        facts = checked(ClosedBody, body)
        master = self._master if self._content == "sealed" else None
        return self._store.write(
            lambda connection: turns.close_turn(
                connection,
                handle,
                time=self._time(),
                body=facts,
                detail=detail,
                text=sealed,
                index=index,
                master=master,
            )
        )

    def append(
        self, conversation: str | None, kind: NoteKind, body: Mapping[str, object]
    ) -> Record:
        """Append an event that belongs to no turn.

        Args:
            conversation: the one it is about; None for the store as a whole.
            kind: see `corroborator.audit.chain.NoteKind`.
            body: see `corroborator.audit.bodies.NoteBody`.
        """
        if kind not in get_args(NoteKind):
            raise InputError(f"an event to append is one of {', '.join(get_args(NoteKind))}")
        checked_body = checked(NoteBody, body)
        return self._store.write(
            lambda connection: notes.note(
                connection, self._meta, conversation, kind, self._time(), checked_body
            )
        )

    def note_configuration(self, configuration: Mapping[str, object]) -> Record | None:
        """Append `config_changed` where the configuration is not the last one that the log saw.

        Args:
            configuration: of the process that writes, as codes and numbers by name.

        Returns:
            The event, with the configuration ``before`` (null for the first) and ``after``; None
            where nothing changed.
        """
        now = checked(NoteBody, {"after": configuration})["after"]
        return self._store.write(
            lambda connection: notes.note_configuration(connection, self._meta, self._time(), now)
        )

    def configurations(self) -> Iterator[Record]:
        """Read the changes of the configuration, oldest first."""
        return notes.configurations(self._store, self._meta)

    def verify(self, checkpoint: Checkpoint | None = None) -> VerifyReport:
        """Check the whole store; see `corroborator.audit.verify` for what cannot be seen.

        Args:
            checkpoint: one taken earlier and kept elsewhere, opened with its public key: against
                it a log cut short and a log written anew are found too.
        """

        def work(connection: Connection) -> VerifyReport:
            report = verify(connection, self._master)
            if checkpoint is None:
                return report
            found = contradictions(connection, self.origin, checkpoint)
            problems = (*report.problems, *(Problem(None, None, what) for what in found))
            return replace(report, problems=problems)

        return self._store.read(work)

    @property
    def origin(self) -> str:
        """The name of this log in checkpoints; nothing about anybody is in it."""
        return f"corroborator/{self._meta.system_chain}"

    def checkpoint(self) -> Checkpoint:
        """Return what the log is now, to be signed and kept elsewhere."""
        last = self._store.last_event()
        return self._store.read(
            lambda connection: taken(connection, self.origin, self._time(), last)
        )

    def contradictions(self, checkpoint: Checkpoint) -> tuple[str, ...]:
        """Say in what the log is not that of a checkpoint, gone on; `verify` checks the rest too."""
        return self._store.read(
            lambda connection: tuple(contradictions(connection, self.origin, checkpoint))
        )

    def prove(self, chain: str, seq: int, checkpoint: Checkpoint) -> InclusionProof:
        """Prove that an event is in the log of a checkpoint.

        Args:
            chain: pseudonym of the conversation.
            seq: place in the chain.
            checkpoint: of this log.

        Raises:
            InputError: it is not in it.
        """
        return self._store.read(
            lambda connection: proof_of(connection, chain, seq, checkpoint.size)
        )

    def records(
        self,
        conversation: str | None = None,
        *,
        domain: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[StoredTurn]:
        """Read turns in the order of opening; reading is not logged, `append` ``accessed`` is.

        Args:
            conversation: of one conversation; an unknown one has none.
            domain: of a row of the index; erased turns have none and are left out.
            action: the same.
            since: of the time of opening.
            until: the same, excluded.
        """
        chain = None
        if conversation is not None:
            chain = self._store.read(
                lambda connection: chain_named(connection, self._meta, conversation)
            )
            if chain is None:
                return iter(())
        wanted = TurnFilter(chain, domain, action, since, until)
        return stored_turns(self._store, self._master, wanted)

    def export(self, out: BinaryIO, *, form: Format = "jsonl", with_text: bool = False) -> int:
        """Write all turns and events, once `exported` is in the log.

        Args:
            out: where to; see ``rails_config/schema/record.schema.json`` for the fields.
            form: how; see `corroborator.audit.formats`.
            with_text: whether sealed text goes with it. Details go with it in any case, those
                under seal where the master key is there.

        Returns:
            How many turns were written.
        """
        write = writer_of(form)
        last = self._store.last_event()
        count = self._store.read(lambda connection: turns_until(connection, last))
        self.append(None, "exported", {"turns": count, "with_text": with_text, "form": form})
        stored = stored_turns(self._store, self._master, TurnFilter(last=last))
        others = other_events(self._store, last)
        write(
            joined(
                (turn_line(turn, with_text=with_text) for turn in stored),
                (event_line(record, intact=intact) for record, intact in others),
            ),
            out,
        )
        return count

    @property
    def store(self) -> Store:
        """The store, for what is kept beside the log in the same database."""
        return self._store

    def ended(self, rows: Sequence[int]) -> list[tuple[int, StoredTurn]]:
        """Read closed turns by the row numbers of the events that closed them, in order.

        An index that follows the log knows turns by these numbers.
        """
        return ended_turns(self._store, self._master, rows)

    def seal_beside(
        self, connection: Connection, chain: str, text: str, place: str
    ) -> bytes | None:
        """Seal a text that is kept beside the log under the key of a conversation.

        Returns:
            None where there is no such key: no text is kept, or it was erased.
        """
        key = None if self._master is None else known_key(connection, self._master, chain)
        return None if key is None else seal(key, text.encode("utf-8", "replace"), place)

    def unseal_beside(
        self, connection: Connection, chain: str, sealed: bytes | None, place: str
    ) -> str | None:
        """Read what `seal_beside` returned; None where it or its key is gone."""
        key = None if self._master is None else known_key(connection, self._master, chain)
        return None if key is None or sealed is None else unseal(key, sealed, place).decode()

    def hold(self, conversation: str, *, held: bool = True) -> None:
        """Put a conversation under a legal hold, or end it: until then nothing erases it.

        Raises:
            InputError: there is no such conversation.
        """

        def work(connection: Connection) -> None:
            chain = chain_named(connection, self._meta, conversation)
            if chain is None:
                raise InputError("there is no such conversation in the audit store")
            set_hold(connection, chain, self._time(), held=held)

        self._store.write(work)

    def erase(self, conversation: str) -> ErasureReport:
        """Erase a conversation: its key, details, index rows and names; a tombstone stays.

        A later turn of the same conversation begins a new chain. Copies of the file made before,
        and what the host keeps itself, are not reached.
        """

        def find(connection: Connection) -> list[str]:
            chain = chain_named(connection, self._meta, conversation)
            return [] if chain is None else [chain]

        return self._erase(find)

    def erase_subject(self, subject: str) -> ErasureReport:
        """Erase every conversation that was opened for a person, by the host's id of the person."""
        return self._erase(lambda connection: chains_of_subject(connection, self._meta, subject))

    def erase_before(self, moment: datetime) -> ErasureReport:
        """Erase every conversation without a turn since a moment."""
        return self._erase(lambda connection: quiet_since(connection, iso_time(moment)))

    def rekey(self, new: MasterKey) -> RekeyReport:
        """Replace the master key: what is sealed stays readable, with the new one alone.

        The key of each conversation is wrapped anew, and no event and no content changes. Other
        processes that seal fail with `MasterKeyError` until they are started with the new key.

        Raises:
            MasterKeyError: this log was opened without the key that is to be replaced.
            InputError: nothing was ever sealed here, or it is the same key.
        """
        old = self._master
        if old is None:
            raise MasterKeyError("open the log with the master key that is to be replaced")
        if self._store.meta().master_key_id is None:
            raise InputError("nothing was ever sealed in this store, so it has no master key yet")
        count = self._store.write(
            lambda connection: rekey(connection, self._meta, self._time(), old, new)
        )
        self._master = new
        return RekeyReport(old.id, new.id, count, self._store.forget_erased())

    def close(self) -> None:
        """Close the store; the log cannot be used afterwards."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _erase(self, find: Callable[[Connection], Sequence[str]]) -> ErasureReport:
        time = self._time()
        counts, held = self._store.write(
            lambda connection: erase_chains(connection, find(connection), time)
        )
        complete = self._store.forget_erased()
        return ErasureReport(
            tuple(counts), sum(counts.values()), complete, held, self._store.beyond
        )

    def _time(self) -> str:
        return iso_time(self._clock())
