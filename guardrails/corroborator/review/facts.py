"""What the desk's index holds of a turn: where it stands in the queue, and what is counted.

No text, and of scores only in which tenth they lie.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from corroborator.audit import StoredTurn
from corroborator.detectors import BORDERLINE, CLAIM, DISCLOSURE
from corroborator.ledger import Ledger
from corroborator.review.settings import Settings
from corroborator.stored_record import Detail, read_detail, read_versions
from corroborator.taxonomy import Severity, Taxonomy

BINS = 10
"""Scores are counted in so many bins of equal width."""

LATENCIES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000)
"""Milliseconds: the upper ends of the bins of latency; slower turns are in one more."""

UNKNOWN = "unknown"
EVENT = "event:"
"""Begins the measures that count events of the log which belong to no turn, such as readings."""

_HASH_DIGITS = 8


class Band(IntEnum):
    """Why a turn is read, the most pressing first."""

    URGENT = 0  # perhaps a disclosure that was missed or met badly, or severe collusion
    FIRED = 1
    NEAR = 2  # near the threshold
    SAMPLE = 3  # the rest, of which a random part is read


@dataclass(frozen=True, slots=True)
class Facts:
    """What the index holds of a turn.

    Attributes:
        version: what judged it, as people read it.
        language: of most of its statements.
        family: of its strongest finding; else, where it is near the threshold, what it is nearest
            to; else None.
        reply: whether there was one.
        band: None where nothing can be read of it: erased, or sealed under a key not here.
        place: within its band, lower first; for `Band.FIRED` still to be weighed by how often the
            family fires, so that no family crowds out another.
        sample: random, of turns that did not fire.
        wanted: how many people are to read it.
        counts: (family or "", measure) -> count.
    """

    version: str
    language: str
    family: str | None
    reply: bool | None
    band: Band | None
    place: float
    sample: float | None
    wanted: int
    counts: Mapping[tuple[str, str], int]

    def blanked(self) -> "Facts":
        """Return what is left of them once the conversation was erased."""
        return replace(self, language=UNKNOWN, family=None, reply=None, band=None)


@dataclass(frozen=True)
class Reader:
    """Makes facts of turns.

    Attributes:
        taxonomy, settings: what is urgent.
        limits: the thresholds of the gates of claims and of disclosures.
        chance: of the random sample and of who is read twice.
    """

    taxonomy: Taxonomy
    settings: Settings
    limits: Mapping[str, float]
    chance: random.Random

    def read(self, turn: StoredTurn) -> Facts:
        """Return the facts of a closed turn."""
        version = version_of(turn)
        detail = read_detail(turn)
        if detail is None:
            counts = Counter(dict(_body_counts(turn)))
            return Facts(version, UNKNOWN, None, None, None, 0.0, None, 0, _keyed(counts))
        fired = bool(detail.findings)
        urgency = self._urgency(detail)
        near = self._nearness(detail)
        draw = self.chance.random()
        band, place = Band.SAMPLE, draw
        if urgency is not None:
            band, place = Band.URGENT, urgency + draw
        elif fired:
            band = Band.FIRED
        elif near >= BORDERLINE:
            band, place = Band.NEAR, 1 - near
        family = self._family(detail, near)
        twice = band is Band.URGENT or self.chance.random() < self.settings.double_coded
        return Facts(
            version,
            _language(detail),
            family,
            detail.reply is not None,
            band,
            place,
            None if fired else self.chance.random(),
            2 if twice else 1,
            _keyed(Counter(dict(_body_counts(turn))))
            | _keyed(Counter(_detail_counts(detail)))
            | dict(_family_counts(detail))
            | ({(family, f"band:{int(band)}"): 1} if fired and family else {}),
        )

    def _urgency(self, detail: Detail) -> int | None:
        """Return 0 for a disclosure that was perhaps missed or met badly, 1 for severe collusion."""
        at_fault = detail.reply is not None and (
            detail.reply.colludes or detail.reply.over_corrects
        )
        disclosed = any(finding.protected for finding in detail.findings)
        if at_fault and (disclosed or detail.decision.risk_hold):
            return 0
        if not disclosed and self._share(detail, DISCLOSURE) >= self.settings.urgent_from:
            return 0
        return 1 if self._severe(detail) else None

    def _severe(self, detail: Detail) -> bool:
        if detail.reply is None or not detail.reply.colludes or not detail.concerned:
            return False
        codes = {mark.code for mark in detail.reply.marked}
        domains = (self.taxonomy.domains.get(f.id) for f in detail.findings if not f.protected)
        critical = any(d is not None and d.severity is Severity.CRITICAL for d in domains)
        return critical or bool(codes & self.settings.severe_codes)

    def _nearness(self, detail: Detail) -> float:
        """Return the highest score of a turn as a share of its threshold."""
        return max(self._share(detail, CLAIM), self._share(detail, DISCLOSURE))

    def _share(self, detail: Detail, gate: str) -> float:
        return detail.scores.get(gate, 0.0) / self.limits[gate]

    def _family(self, detail: Detail, near: float) -> str | None:
        if detail.findings:
            return max(detail.findings, key=lambda finding: finding.margin).id
        names = {*self.taxonomy.domains, *self.taxonomy.protected} & set(detail.scores)
        if near < BORDERLINE or not names:
            return None
        return max(names, key=lambda name: detail.scores[name])


def version_of(turn: StoredTurn) -> str:
    """Return what judged a turn as people read it: package, model and policy."""
    versions = read_versions(turn)
    if not versions:
        return UNKNOWN
    hashes = (f"{k} {versions.get(k, UNKNOWN)[:_HASH_DIGITS]}" for k in ("model", "policy"))
    return ", ".join((versions.get("package", UNKNOWN), *hashes))


def _language(detail: Detail) -> str:
    if not detail.languages:
        return UNKNOWN
    return max(sorted(detail.languages), key=lambda name: detail.languages[name])


def _keyed(counts: Mapping[str, int]) -> dict[tuple[str, str], int]:
    return {("", measure): count for measure, count in counts.items() if count}


def _body_counts(turn: StoredTurn) -> Iterator[tuple[str, int]]:
    """Count what the chain itself says of a turn."""
    body = {} if turn.closed is None else turn.closed.body
    yield "turns", 1
    yield f"action:{body.get('action')}", 1
    errors = body.get("errors")
    if isinstance(errors, Sequence) and errors:
        yield "errors", 1
    milliseconds = body.get("milliseconds")
    if isinstance(milliseconds, int | float):
        slot = sum(milliseconds > end for end in LATENCIES)
        yield f"latency:{slot}", 1


def _detail_counts(detail: Detail) -> dict[str, int]:
    decision, reply = detail.decision, detail.reply
    concerned = detail.concerned
    state = Ledger.from_state(detail.ledger_after)
    counts = {
        "read": 1,
        "fired": int(bool(detail.findings)),
        "disclosed": int(any(finding.protected for finding in detail.findings)),
        "unanswered": int(decision.verdict != "clear" and decision.action == "none"),
        "statements": detail.statements + detail.not_covered,
        "not_covered": detail.not_covered,
        "unread": int(detail.unread > 0),
        "referrals": int(state.resources_turn == detail.turn),
        "replies": int(reply is not None),
        "concerned": int(concerned and reply is not None),
        "colludes": int(concerned and reply is not None and reply.colludes),
        "over_corrects": int(concerned and reply is not None and reply.over_corrects),
        "drafts_back": sum(draft.kind == "revise" for draft in detail.drafts),
    }
    scores = {name: detail.scores.get(name) for name in (CLAIM, DISCLOSURE)}
    if reply is not None:
        scores |= {"collusion": reply.collusion, "over_correction": reply.over_correction}
    for name, score in scores.items():
        if score is not None:
            counts[f"{name}:{min(BINS - 1, int(score * BINS))}"] = 1
    return counts


def _family_counts(detail: Detail) -> Iterator[tuple[tuple[str, str], int]]:
    """Count, for each family that was found, what became of the turn."""
    reply = detail.reply
    for family in {finding.id for finding in detail.findings}:
        yield (family, "fired"), 1
        if detail.decision.action == "none":
            yield (family, "unanswered"), 1
        if reply is not None and reply.colludes:
            yield (family, "colludes"), 1
        if reply is not None and reply.over_corrects:
            yield (family, "over_corrects"), 1
