"""What a guard computes: messages, ledger and evidence in; findings, decision and steering out.

Nothing here is kept or written; `corroborator.guard` adds the log, and replay runs this again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Self

import numpy as np

from corroborator.conversation import NewMessages, earlier_turns, new_messages
from corroborator.decision import Decision, decide, opens_risk_hold
from corroborator.detectors import Detector, Units
from corroborator.encoders import Encoder
from corroborator.evidence import Evidence
from corroborator.exemplars import ExemplarBank, Vectors, user_exemplars
from corroborator.findings import Detection
from corroborator.heads import log_odds
from corroborator.ledger import Ledger, advance
from corroborator.messages import Message
from corroborator.model import Model, load_model
from corroborator.policy import Policy
from corroborator.reply_check import Assessment, ReplyChecker, mean_claim
from corroborator.statements import Reading, Statement, normalise, read_message, read_whole
from corroborator.steering import RESOURCE, Steering, compose
from corroborator.support_resources import Need, Resource
from corroborator.taxonomy import Handling, Severity, Taxonomy, load_taxonomy
from corroborator.texts import Texts, load_texts


@dataclass(frozen=True)
class TurnInput:
    """What a turn starts from.

    Attributes:
        messages: the conversation, oldest first.
        ledger: the state of the turn before; None to rebuild it from the messages.
        evidence: what the app passed.
        retrospective: whether the turn lies in the past.
        day: the day of the turn: places to turn to are not named after their expiry.
    """

    messages: tuple[Message, ...]
    ledger: Ledger | None = None
    evidence: tuple[Evidence, ...] = ()
    retrospective: bool = False
    day: date = field(default_factory=lambda: datetime.now(UTC).date())


@dataclass(frozen=True)
class Outcome:
    """What was judged of a turn.

    Attributes:
        units: what was encoded, with `vectors` of shape (units, dimensions) in the same order.
        detection: findings and scores.
        before, after: the ledger.
        decision: what is done.
        steering: guidance for the model.
        not_covered: statements in languages that the detectors were not tested in.
        unread: characters, messages and parts that were not read.
        repeated: whether the same user message was judged in an earlier turn.
    """

    units: Units
    vectors: Vectors = field(repr=False)
    detection: Detection
    before: Ledger
    after: Ledger
    decision: Decision
    steering: Steering
    not_covered: tuple[Statement, ...] = ()
    unread: int = 0
    repeated: bool = False

    @cached_property
    def claims(self) -> Vectors:
        """What a reply is checked against: the whole of what the user wrote, and each finding."""
        count = len(self.units.statements)
        if not count:
            return np.empty((0, self.vectors.shape[1]), dtype=np.float32)
        places = [self.units.statements.index(f.statement) for f in self.detection.findings]
        rows = [self.vectors[place] for place in dict.fromkeys(places)]
        return np.stack([mean_claim(self.vectors[:count]), *rows])

    @property
    def premise(self) -> float:
        """Log odds that there is something to collude with, at most 0: now, or since earlier."""
        if self.after.open_threads() or self.after.holds_risk():
            return 0.0
        likeliest = max(self.detection.claim_before_protected, self.detection.protected)
        return min(0.0, float(log_odds(np.array(likeliest))))


@dataclass(frozen=True)
class Engine:
    """The loaded parts of a guard; immutable."""

    policy: Policy
    taxonomy: Taxonomy
    texts: Texts
    encoder: Encoder
    model: Model
    detector: Detector
    checker: ReplyChecker

    @classmethod
    def load(cls, policy: Policy, encoder: Encoder) -> Self:
        """Load what a policy names, and make sure that it fits together."""
        taxonomy = load_taxonomy()
        model = load_model(policy.model, encoder, taxonomy)
        detector = Detector(
            model.bank,
            model.statements,
            model.certainty,
            tuple(d for d in taxonomy.domains if policy.mode(d) != "off"),
            tuple(taxonomy.protected),
            _mixed(taxonomy),
            _thresholds(policy),
            _own_bank(policy, encoder, taxonomy),
        )
        texts = load_texts(policy.texts)
        return cls(
            policy,
            taxonomy,
            texts,
            encoder,
            model,
            detector,
            ReplyChecker(model.replies, model.phrasing),
        )

    def open(self, given: TurnInput) -> Outcome:
        """Judge a turn up to the steering."""
        ledger = self._rebuilt(given) if given.ledger is None else given.ledger
        new = new_messages(given.messages, ledger)
        readings = self._read(given.messages, new.positions)
        units = Units.of(readings)
        vectors = self.encoder.encode(units.texts)
        return self.judge(
            units,
            vectors,
            ledger,
            given,
            new=new,
            not_covered=tuple(s for r in readings for s in r.statements if not s.covered),
            unread=_unread(given.messages, new, readings),
        )

    def judge(
        self,
        units: Units,
        vectors: Vectors,
        ledger: Ledger,
        given: TurnInput,
        *,
        new: NewMessages,
        not_covered: tuple[Statement, ...] = (),
        unread: int = 0,
    ) -> Outcome:
        """Judge encoded units; the part of `open` that replay repeats from stored vectors."""
        detection = self.detector.detect(units, vectors)
        after = self._advanced(ledger, detection, given.evidence, repeated=new.repeated)
        decision = decide(
            detection.findings,
            after,
            self.policy,
            self.taxonomy,
            borderline=self.detector.is_borderline(detection),
        )
        steering = compose(
            decision,
            after,
            [e for e in given.evidence if self.policy.mode(e.domain) == "steer"],
            self.texts,
            self.policy.steering.repeat_after,
            self._offered(decision, after, given.day),
        )
        after = _noted(after, given.messages, steering, self.taxonomy)
        return Outcome(
            units,
            vectors,
            detection,
            ledger,
            after,
            decision,
            steering,
            not_covered,
            unread,
            new.repeated,
        )

    def assess(self, outcome: Outcome, draft: str) -> Assessment:
        """Judge a draft against a turn; every sentence of it is read."""
        sentences, vectors = self.read_reply(draft)
        return self.checker.assess(outcome.claims, sentences, vectors, outcome.premise)

    def read_reply(self, text: str) -> tuple[tuple[Statement, ...], Vectors]:
        """Return the sentences of a reply and their vectors, in order."""
        sentences = read_whole(text)
        return sentences, self.encoder.encode([s.text for s in sentences])

    def place(self, decision: Decision, ledger: Ledger, day: date) -> Resource | None:
        """Return where help is to be had, if the turn needs any: by need and region, in date."""
        entries = {**self.taxonomy.domains, **self.taxonomy.protected}
        ids = [*decision.protected, *decision.domains]
        needs = [entries[i].need for i in ids if entries[i].need is not None]
        if not needs and not ledger.holds_risk():
            return None
        need = Need(needs[0]) if needs and needs[0] else Need.CRISIS
        return self.texts.resources.find(need, self.policy.region, day)

    def _offered(self, decision: Decision, ledger: Ledger, day: date) -> Resource | None:
        """Return the place that the steering names: in one turn of a risk episode, at most."""
        last, turns = ledger.resources_turn, self.policy.risk_hold.turns
        named_lately = last is not None and 0 < ledger.turn - last <= turns
        if decision.action == "none" or decision.lead is None or named_lately:
            return None
        return self.place(decision, Ledger(), day)

    def _rebuilt(self, given: TurnInput) -> Ledger:
        """Judge the turns before this one again, for their ledger alone.

        Guidance is composed again too, so that none of it is repeated on every turn.
        """
        ledger = Ledger()
        for positions in earlier_turns(given.messages):
            past = TurnInput(given.messages[: positions[-1] + 1], day=given.day)
            units = Units.of(self._read(past.messages, positions))
            vectors = self.encoder.encode(units.texts)
            new = NewMessages(tuple(positions))
            ledger = self.judge(units, vectors, ledger, past, new=new).after
        return ledger

    def _read(self, messages: Sequence[Message], positions: Sequence[int]) -> list[Reading]:
        return [read_message(messages[position].text, position) for position in positions]

    def _advanced(
        self,
        ledger: Ledger,
        detection: Detection,
        evidence: tuple[Evidence, ...],
        *,
        repeated: bool,
    ) -> Ledger:
        """Count a turn; one that is judged again counts once, though evidence may be new.

        A claim that was not counted in it is: a host without ids that hands over the last messages
        alone makes every turn look like one that is judged again.
        """
        findings = detection.findings
        if repeated:
            counted = {t.domain for t in ledger.threads if t.last_turn == ledger.turn}
            findings = tuple(f for f in findings if f.family not in counted)
            ledger = ledger.model_copy(update={"turn": max(0, ledger.turn - 1)})
        hold = self.policy.risk_hold.turns
        return advance(ledger, findings, evidence, hold, opens_risk_hold(self.taxonomy))


def _noted(
    ledger: Ledger, messages: Sequence[Message], steering: Steering, taxonomy: Taxonomy
) -> Ledger:
    """Note in the ledger what was read and on what the model was guided."""
    users = [message for message in messages if message.role == "user"]
    threads = [
        t.model_copy(update={"guided_turn": ledger.turn}) if t.domain in steering.guided else t
        for t in ledger.threads
    ]
    protected = {name: ledger.turn for name in steering.guided if name in taxonomy.protected}
    return ledger.model_copy(
        update={
            "seen": len(users),
            "last_id": users[-1].id if users else None,
            "threads": tuple(threads),
            "guided_protected": {**ledger.guided_protected, **protected},
            "resources_turn": ledger.turn if RESOURCE in steering.guided else ledger.resources_turn,
        }
    )


def _unread(messages: Sequence[Message], new: NewMessages, readings: Sequence[Reading]) -> int:
    parts = sum(messages[position].unread_parts for position in new.positions)
    return parts + new.unread + sum(reading.unread for reading in readings)


def _mixed(taxonomy: Taxonomy) -> frozenset[str]:
    """Return the domains whose premise stays unadopted even where safety leads (guarantee 2)."""
    return frozenset(
        name
        for name, domain in taxonomy.domains.items()
        if domain.severity == Severity.CRITICAL or Handling.PROTECT in domain.handling
    )


def _thresholds(policy: Policy) -> dict[str, float]:
    domains = {n: d.threshold for n, d in policy.domains.items() if d.threshold is not None}
    return domains | {name: p.threshold for name, p in policy.protected.items()}


def _own_bank(policy: Policy, encoder: Encoder, taxonomy: Taxonomy) -> ExemplarBank | None:
    if policy.exemplars is None:
        return None
    own = user_exemplars(policy.exemplars, taxonomy)
    return ExemplarBank(own, encoder.encode([normalise(item.text) for item in own]))
