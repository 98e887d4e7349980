"""Decisions made again from what was sealed: same inputs and versions, same decision.

Decisions are made from the stored vectors. The texts are encoded again as well, but only to say how
far the vectors have drifted (another processor, another release of the runtime).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Literal

import numpy as np

from corroborator.audit import StoredTurn
from corroborator.conversation import NewMessages
from corroborator.detectors import Units
from corroborator.drafts import judge_draft
from corroborator.engine import Engine, Outcome, TurnInput
from corroborator.errors import InputError
from corroborator.evidence import Evidence
from corroborator.exemplars import Vectors
from corroborator.ledger import Ledger
from corroborator.record import versions_of
from corroborator.statements import Statement, read_message
from corroborator.stored_record import (
    Detail,
    Place,
    SealedText,
    StoredMessage,
    read_detail,
    read_text,
    read_versions,
)

Obstacle = Literal[
    "never closed",
    "no text was kept",
    "erased, or sealed under a key that is not here",
    "changed since it was written",
    "another encoder",
    "another form of record",
]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A turn that was decided again.

    Attributes:
        chain, seq: of its `closed` event, or of `opened` where there is none.
        obstacle: why it could not be decided again.
        differences: what came out otherwise, in one word each.
        versions: which versions are others than then.
        drift: the largest cosine distance between a stored vector and the text encoded again, in
            [0, 2].
        resplit: how many stored units are no statements of the text any more.
    """

    chain: str
    seq: int
    obstacle: Obstacle | None = None
    differences: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    drift: float = 0.0
    resplit: int = 0


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What came of many turns.

    Attributes:
        same: how many were decided as then.
        different: those that were not.
        obstacles: why others could not be decided again, with their number.
        drift: the largest.
        resplit: units that are no statements any more, in sum.
    """

    same: int = 0
    different: tuple[Replayed, ...] = ()
    obstacles: Mapping[Obstacle, int] = field(default_factory=dict)
    drift: float = 0.0
    resplit: int = 0

    @property
    def unexplained(self) -> tuple[Replayed, ...]:
        """Those decided otherwise though every version is the same: there should be none."""
        return tuple(turn for turn in self.different if not turn.versions)


def replay(engine: Engine, turns: Iterable[StoredTurn]) -> ReplayReport:
    """Decide stored turns again with the present model and policy."""
    same, resplit, drift = 0, 0, 0.0
    different: list[Replayed] = []
    obstacles: Counter[Obstacle] = Counter()
    for turn in turns:
        replayed = replay_turn(engine, turn)
        drift, resplit = max(drift, replayed.drift), resplit + replayed.resplit
        if replayed.obstacle is not None:
            obstacles[replayed.obstacle] += 1
        elif replayed.differences:
            different.append(replayed)
        else:
            same += 1
    return ReplayReport(same, tuple(different), dict(obstacles), drift, resplit)


def replay_turn(engine: Engine, turn: StoredTurn) -> Replayed:
    """Decide one stored turn again."""
    last = turn.closed or turn.opened
    obstacle = _obstacle(engine, turn)
    if obstacle is not None:
        return Replayed(turn.chain, last.seq, obstacle)
    stored = _read(turn)
    if stored is None:
        return Replayed(turn.chain, last.seq, "another form of record")
    now = _statements(stored.sealed.messages)
    day = _day(turn)
    outcome = _judged(engine, stored, now, day)
    units = outcome.units
    found = [row for row, place in enumerate(stored.places) if place in now]
    return Replayed(
        turn.chain,
        last.seq,
        differences=tuple(_differences(engine, outcome, stored, day)),
        versions=_changed(engine, turn),
        drift=_drift(engine, [units.texts[row] for row in found], stored.vectors[found]),
        resplit=len(stored.places) - len(found),
    )


@dataclass(frozen=True, slots=True)
class Again:
    """A stored turn as another engine would have judged it.

    Attributes:
        outcome: up to the steering.
        drafts: what would be done about each draft; none unless asked for.
    """

    outcome: Outcome
    drafts: tuple[str, ...] = ()


def judge_again(engine: Engine, turn: StoredTurn, *, drafts: bool = False) -> Again | None:
    """Judge a stored turn from its vectors, without a comparison; None where that cannot be done.

    Args:
        engine: any, of the encoder that made the vectors.
        turn: as it was stored.
        drafts: whether its drafts, too, which are encoded for it.
    """
    stored = None if _obstacle(engine, turn) is not None else _read(turn)
    if stored is None:
        return None
    day = _day(turn)
    outcome = _judged(engine, stored, _statements(stored.sealed.messages), day)
    if not drafts:
        return Again(outcome)
    texts = [draft.text for draft in stored.sealed.drafts]
    return Again(outcome, tuple(_verdicts(engine, outcome, texts, day)))


@dataclass(frozen=True, slots=True)
class _Stored:
    """A stored turn in the types of the engine."""

    detail: Detail
    sealed: SealedText
    vectors: Vectors
    before: Ledger
    after: Ledger
    evidence: tuple[Evidence, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        return (*self.sealed.statements, *self.sealed.passages)


def _read(turn: StoredTurn) -> _Stored | None:
    detail, sealed = read_detail(turn), read_text(turn)
    if detail is None or sealed is None:
        return None
    try:
        stored = _Stored(
            detail,
            sealed,
            sealed.vectors.array(),
            Ledger.from_state(detail.ledger_before),
            Ledger.from_state(detail.ledger_after),
            tuple(Evidence(**item.model_dump()) for item in sealed.evidence),
        )
    except (InputError, ValueError):
        return None
    return stored if len(stored.vectors) == len(stored.places) else None


def _judged(engine: Engine, stored: _Stored, now: Mapping[Place, Statement], day: date) -> Outcome:
    """Judge the stored vectors."""
    return engine.judge(
        Units(_units(stored.sealed.statements, now), _units(stored.sealed.passages, now)),
        stored.vectors,
        stored.before,
        TurnInput((), stored.before, stored.evidence, stored.detail.retrospective, day),
        new=NewMessages((), repeated=stored.detail.repeated),
    )


def _day(turn: StoredTurn) -> date:
    return datetime.fromisoformat(turn.opened.time).date()


def _obstacle(engine: Engine, turn: StoredTurn) -> Obstacle | None:
    if turn.closed is None:
        return "never closed"
    if not turn.intact:
        return "changed since it was written"
    if turn.closed.body.get("content") == "none":
        return "no text was kept"
    if turn.text is None or turn.detail is None:
        return "erased, or sealed under a key that is not here"
    return None if read_versions(turn).get("encoder") == engine.encoder.id else "another encoder"


def _changed(engine: Engine, turn: StoredTurn) -> tuple[str, ...]:
    then, now = read_versions(turn), versions_of(engine)
    return tuple(name for name in now if then.get(name) != now[name])


def _statements(messages: Iterable[StoredMessage]) -> dict[Place, Statement]:
    """Return what the messages are split into now, by place."""
    return {
        (s.message, s.start, s.end): s
        for message in messages
        for reading in [read_message(message.text, message.position)]
        for s in (*reading.passages, *reading.statements)
    }


def _units(places: Iterable[Place], now: Mapping[Place, Statement]) -> tuple[Statement, ...]:
    """Return the stored units; what is no statement any more keeps its place, and has no text."""
    return tuple(now.get(place, Statement(*place, text="")) for place in places)


def _differences(engine: Engine, outcome: Outcome, stored: _Stored, day: date) -> Iterator[str]:
    detail, sealed = stored.detail, stored.sealed
    then = detail.decision.model_dump()
    yield from (name for name, now in asdict(outcome.decision).items() if then[name] != now)
    found = {
        (f.family, f.statement.message, f.statement.start, f.statement.end)
        for f in outcome.detection.findings
    }
    if found != {(f.id, f.message, f.start, f.end) for f in detail.findings}:
        yield "findings"
    if outcome.steering.text != sealed.steering:
        yield "steering"
    if _followed(outcome.after) != _followed(stored.after):
        yield "ledger"
    verdicts = _verdicts(engine, outcome, [draft.text for draft in sealed.drafts], day)
    if verdicts != [draft.kind for draft in detail.drafts]:
        yield "drafts"


def _followed(ledger: Ledger) -> Ledger:
    """Return what findings and evidence made of a ledger: no count of messages or adoptions."""
    threads = tuple(thread.model_copy(update={"adopted": 0}) for thread in ledger.threads)
    return ledger.model_copy(update={"seen": 0, "last_id": None, "threads": threads})


def _verdicts(engine: Engine, outcome: Outcome, drafts: Iterable[str], day: date) -> list[str]:
    """Judge the drafts of a turn again, in order."""
    kinds: list[str] = []
    for draft in drafts:
        verdict = judge_draft(
            engine.assess(outcome, draft),
            outcome.decision,
            outcome.after,
            engine.policy,
            engine.texts,
            revisions=kinds.count("revise"),
            place=engine.place(outcome.decision, outcome.after, day),
        )
        kinds.append(verdict.kind)
    return kinds


def _drift(engine: Engine, texts: list[str], vectors: Vectors) -> float:
    if not texts:
        return 0.0
    cosines = (engine.encoder.encode(texts) * vectors).sum(axis=1)
    return float(np.clip(1 - cosines.min(), 0, 2))
