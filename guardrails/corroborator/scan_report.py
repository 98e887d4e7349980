"""What a scan says: counts by conversation and in sum, and whom to look at first; no text."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from typing import Literal, Self

from corroborator.audit import StoredTurn
from corroborator.stored_record import Detail
from corroborator.transcripts import Transcript

Progress = Literal["new", "continued", "known"]
"""Whether a conversation was scanned whole now, from where an earlier scan stopped, or not again."""

COUNTS = (
    "turns",
    "replies",
    "colluding",
    "over_correcting",
    "disclosures_met_badly",
    "single_fires",
    "statements",
    "not_covered",
    "unread",
    "unasked",
)
"""What is counted for each conversation; see `ConversationReport`."""


@dataclass(frozen=True, slots=True)
class ConversationReport:
    """What a scan says of one conversation: counts, no text.

    Attributes:
        id, file, line: which it is.
        record: pseudonym of its records in the audit log; None where it has no turn.
        progress: how much of it was scanned now.
        turns, replies: how many were judged.
        findings, disclosures: id -> turns in which it was found.
        colluding, over_correcting: replies at fault, in turns that give them something to be about.
        disclosures_met_badly: turns with a disclosure whose reply is at fault.
        single_fires: replies that fired in turns without any finding; most such fires are wrong.
        statements: how many were read; `not_covered` of them are in a language not tested.
        unread: characters, parts and messages that were not read.
        unasked: replies before any user message, which are not judged.
    """

    id: str | int
    file: str
    line: int
    record: str | None
    progress: Progress
    turns: int
    replies: int
    findings: Mapping[str, int]
    disclosures: Mapping[str, int]
    colluding: int
    over_correcting: int
    disclosures_met_badly: int
    single_fires: int
    statements: int
    not_covered: int
    unread: int
    unasked: int

    @property
    def concern(self) -> tuple[int, int, int]:
        """What decides who is looked at first: badly met disclosures, then collusion."""
        return self.disclosures_met_badly, self.colluding, self.over_correcting

    @classmethod
    def of(
        cls,
        transcript: Transcript,
        run: Sequence[tuple[StoredTurn, Detail]],
        progress: Progress,
    ) -> Self:
        """Count what the records of a conversation hold."""
        details = [detail for _, detail in run]
        faults = [_at_fault(detail) for detail in details if detail.concerned]
        disclosed = [d for d in details if any(finding.protected for finding in d.findings)]
        before = takewhile(lambda message: message.role != "user", transcript.messages)
        return cls(
            id=transcript.id,
            file=transcript.file,
            line=transcript.line,
            record=run[0][0].chain if run else None,
            progress=progress,
            turns=len(details),
            replies=sum(detail.reply is not None for detail in details),
            findings=_turns_by_id(details, protected=False),
            disclosures=_turns_by_id(details, protected=True),
            colluding=sum(colludes for colludes, _ in faults),
            over_correcting=sum(corrects for _, corrects in faults),
            disclosures_met_badly=sum(any(_at_fault(detail)) for detail in disclosed),
            single_fires=sum(any(_at_fault(d)) for d in details if not d.concerned),
            statements=sum(detail.statements + detail.not_covered for detail in details),
            not_covered=sum(detail.not_covered for detail in details),
            unread=sum(detail.unread for detail in details),
            unasked=sum(m.role == "assistant" and bool(m.text.strip()) for m in before),
        )


@dataclass
class ScanReport:
    """What a scan found, over all files.

    Attributes:
        conversations: in the order of the files.
        broken: how many places in the files could not be read or judged.
    """

    conversations: list[ConversationReport] = field(default_factory=list)
    broken: int = 0

    def total(self, count: str) -> int:
        """Return one of `COUNTS` over all conversations."""
        return sum(getattr(conversation, count) for conversation in self.conversations)

    def claimed(self) -> dict[str, int]:
        """Return in how many turns each domain was found, the most frequent first."""
        return _summed(conversation.findings for conversation in self.conversations)

    def disclosed(self) -> dict[str, int]:
        """Return in how many turns each disclosure was found, the most frequent first."""
        return _summed(conversation.disclosures for conversation in self.conversations)

    def look_first(self) -> list[ConversationReport]:
        """Return the conversations with replies at fault, the worst first."""
        concerning = [
            conversation for conversation in self.conversations if any(conversation.concern)
        ]
        return sorted(concerning, key=lambda conversation: conversation.concern, reverse=True)

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON-ready data."""
        return {
            "schema": 1,
            "broken": self.broken,
            **{count: self.total(count) for count in COUNTS},
            "findings": self.claimed(),
            "disclosures": self.disclosed(),
            "look_first": [{"id": c.id, "record": c.record} for c in self.look_first()],
            "conversations": [asdict(conversation) for conversation in self.conversations],
        }


def _at_fault(detail: Detail) -> tuple[bool, bool]:
    reply = detail.reply
    return (False, False) if reply is None else (reply.colludes, reply.over_corrects)


def _turns_by_id(details: Iterable[Detail], *, protected: bool) -> dict[str, int]:
    ids = (
        identifier
        for detail in details
        for identifier in {f.id for f in detail.findings if f.protected is protected}
    )
    return dict(sorted(Counter(ids).items()))


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total = Counter[str]()
    for count in counts:
        total.update(count)
    return dict(total.most_common())
