"""Transcripts through the guard, turn by turn, as they were: nothing is asked again or replaced.

The records of a conversation go under a name made of its own id, its content and the versions of
everything that judges. So an interrupted scan goes on where it stopped, what was scanned is not
scanned again, and files that use the same ids never mix. The conversation's own id is kept as the
subject of its records, so that they can be erased by it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace

from corroborator.audit import StoredTurn
from corroborator.errors import StoreError
from corroborator.guard import Guard
from corroborator.ledger import Ledger
from corroborator.messages import Message
from corroborator.record import versions_of
from corroborator.scan_report import ConversationReport, Progress
from corroborator.stored_record import Detail, read_detail
from corroborator.transcripts import Transcript


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A turn of a transcript.

    Attributes:
        end: how many messages of the conversation it takes to its last user message.
        reply: what the user got, its parts joined by empty lines; None where there was no text.
    """

    end: int
    reply: str | None = field(repr=False)


def past_turns(messages: Sequence[Message]) -> list[PastTurn]:
    """Split a conversation into turns: runs of user messages, each with the replies to it."""
    turns: list[PastTurn] = []
    end, replies = 0, list[str]()
    answered = False
    for position, message in enumerate(messages, start=1):
        if message.role == "user":
            if answered:
                turns.append(PastTurn(end, "\n\n".join(replies) or None))
                answered, replies = False, []
            end = position
        elif message.role == "assistant" and end:
            answered = True
            replies += [message.text] if message.text.strip() else []
    if end:
        turns.append(PastTurn(end, "\n\n".join(replies) or None))
    return turns


@dataclass(frozen=True)
class Scanner:
    """Scans transcripts into the audit log of a guard.

    Attributes:
        guard: judges and keeps the records.
        restart: whether to scan again what was scanned; the earlier records stay.
    """

    guard: Guard
    restart: bool = False

    def scan(
        self, transcript: Transcript, after_turn: Callable[[], None] = lambda: None
    ) -> ConversationReport:
        """Scan what the log does not hold of a conversation yet.

        Args:
            transcript: the conversation.
            after_turn: is called when the record of a turn is written.

        Raises:
            TurnError: a turn could not be judged; the turns before it are in the log.
            AuditError: a record could not be written.
        """
        # a host's own message ids may occur twice in an export; turns are counted instead
        messages = tuple(replace(message, id=None) for message in transcript.messages)
        turns, name = past_turns(messages), self._name(transcript.id, messages)
        done = [] if self.restart else self._last_run(name)
        state = done[-1][1].ledger_after if done else Ledger().to_state()
        for past in turns[len(done) :]:
            turn = self.guard.open_turn(
                messages[: past.end],
                state=state,
                conversation=name,
                subject=str(transcript.id),
                retrospective=True,
            )
            if past.reply is not None:
                turn.check(past.reply)
            closed = turn.close(past.reply)
            if closed.record is None:
                raise StoreError("a record could not be written; mend the store and scan again")
            state = closed.state
            after_turn()
        progress: Progress = "new"
        if done:
            progress = "known" if len(done) == len(turns) else "continued"
        return ConversationReport.of(transcript, self._last_run(name), progress)

    def _name(self, identifier: str | int, messages: Iterable[Message]) -> str:
        content = [identifier, [asdict(m) for m in messages], versions_of(self.guard.engine)]
        return "scan:" + hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _last_run(self, name: str) -> list[tuple[StoredTurn, Detail]]:
        """Return the turns of the last scan of a conversation, as far as it came."""
        run: list[tuple[StoredTurn, Detail]] = []
        for stored in self.guard.audit.records(name):
            detail = read_detail(stored)
            if detail is None:
                continue
            if detail.turn == 1:
                run = []
            if detail.turn == len(run) + 1:
                run.append((stored, detail))
        return run
