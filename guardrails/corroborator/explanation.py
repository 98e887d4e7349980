"""Why a message is taken for what it is taken for: all heads, the nearest examples, the evidence."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from corroborator.detectors import CERTAINTY, CLAIM, DISCLOSURE
from corroborator.engine import Engine, Outcome, TurnInput
from corroborator.exemplars import Neighbour, Vectors
from corroborator.findings import Finding
from corroborator.heads import Heads, sigmoid
from corroborator.messages import Message
from corroborator.taxonomy import Domain, Protected

DIGITS = 4
NEAREST = 3

HeadKind = Literal["gate", "domain", "protected", "other"]
NAMING = ("domain", "protected")


@dataclass(frozen=True, slots=True)
class HeadScore:
    """What one head says of a message: the highest over its statements and passages.

    A gate decides whether a statement counts, its families how it is named. They share the gate's
    probability, so a family may name a finding with less than the threshold.

    Attributes:
        head: its name.
        kind: ``gate``; ``domain`` or ``protected``, which name; ``other`` for certainty.
        score: in log odds.
        probability: calibrated, in [0, 1].
        threshold: probability of the gate from which a statement counts, as this family where the
            policy sets it for one.
    """

    head: str
    kind: HeadKind
    score: float
    probability: float
    threshold: float

    @property
    def margin(self) -> float:
        """Probability above the threshold."""
        return self.probability - self.threshold


@dataclass(frozen=True)
class Explanation:
    """Everything that the guard makes of a message.

    Attributes:
        engine: what judged it.
        outcome: as in a turn of its own.
        heads: gates first, then the families, each sorted by margin; none where nothing could be
            judged: no text, or a language that was not tested.
        nearest, contrasts: of the strongest statement, found or not.
    """

    engine: Engine
    outcome: Outcome
    heads: tuple[HeadScore, ...]
    nearest: tuple[Neighbour, ...]
    contrasts: tuple[Neighbour, ...]

    def entry(self, finding: Finding) -> Domain | Protected:
        """Return what the taxonomy says of a finding's family."""
        taxonomy = self.engine.taxonomy
        table: Mapping[str, Domain | Protected] = (
            taxonomy.protected if finding.protected else taxonomy.domains
        )
        return table[finding.family]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON-ready data; the statements are in it."""
        outcome = self.outcome
        decision = outcome.decision
        return {
            "heads": [
                {
                    "head": head.head,
                    "kind": head.kind,
                    "score": round(head.score, DIGITS),
                    "probability": round(head.probability, DIGITS),
                    "threshold": round(head.threshold, DIGITS),
                    "margin": round(head.margin, DIGITS),
                }
                for head in self.heads
            ],
            "findings": [self._finding(finding) for finding in outcome.detection.findings],
            "nearest": _neighbours(self.nearest),
            "contrasts": _neighbours(self.contrasts),
            "decision": {
                "verdict": decision.verdict,
                "action": decision.action,
                "protected": list(decision.protected),
                "domains": list(decision.domains),
                "risk_hold": decision.risk_hold,
                "hold": decision.hold,
            },
            "steering": outcome.steering.text,
            "not_covered": len(outcome.not_covered),
            "unread": outcome.unread,
            "clinical_review": self.engine.taxonomy.clinical_review,
            "model": self.engine.model.hash,
        }

    def _finding(self, finding: Finding) -> dict[str, object]:
        entry = self.entry(finding)
        known = entry.model_dump(mode="json", include={"title", "reliance", "corroboration"})
        return {
            "id": finding.family,
            "protected": finding.protected,
            **known,
            "mode": "protect" if finding.protected else self.engine.policy.mode(finding.family),
            "start": finding.statement.start,
            "end": finding.statement.end,
            "text": finding.statement.text,
            "score": round(finding.score, DIGITS),
            "probability": round(finding.probability, DIGITS),
            "threshold": round(finding.threshold, DIGITS),
            "margin": round(finding.margin, DIGITS),
            "certainty": round(finding.certainty, DIGITS),
            "nearest": _neighbours(finding.nearest),
            "contrasts": _neighbours(finding.contrasts),
            "evidence": [item.model_dump(mode="json") for item in entry.evidence],
        }


def explain(engine: Engine, text: str) -> Explanation:
    """Judge one message by itself and say why.

    Args:
        engine: with the policy that would act.
        text: a statement or a message.
    """
    outcome = engine.open(TurnInput((Message("user", text),)))
    if not len(outcome.vectors):
        return Explanation(engine, outcome, (), (), ())
    heads = engine.detector.heads
    gates = heads.scores(outcome.vectors)[:, heads.columns((CLAIM, DISCLOSURE))]
    strongest = outcome.vectors[[gates.max(axis=1).argmax()]]
    return Explanation(
        engine,
        outcome,
        tuple(sorted(_heads(engine, outcome.vectors), key=lambda h: (h.kind in NAMING, -h.margin))),
        tuple(engine.detector.bank.nearest_positives(strongest, NEAREST)[0]),
        tuple(engine.detector.bank.nearest_contrasts(strongest, NEAREST)[0]),
    )


def _heads(engine: Engine, vectors: Vectors) -> Iterator[HeadScore]:
    detector = engine.detector
    yield _head(detector.certainty, vectors, CERTAINTY, "other", detector.certainty.thresholds)
    limits = {name: detector.threshold(name) for name in detector.heads.names}
    for gate in (CLAIM, DISCLOSURE):
        yield _head(detector.heads, vectors, gate, "gate", limits)
    for domain in detector.domains:
        yield _head(detector.heads, vectors, domain, "domain", limits)
    for disclosure in detector.protected:
        yield _head(detector.heads, vectors, disclosure, "protected", limits)


def _head(
    heads: Heads, vectors: Vectors, name: str, kind: HeadKind, limits: Mapping[str, float]
) -> HeadScore:
    score = heads.scores(vectors)[:, heads.column(name)].max()
    return HeadScore(name, kind, float(score), float(sigmoid(score)), limits[name])


def _neighbours(found: Iterable[Neighbour]) -> list[dict[str, object]]:
    return [
        {
            "id": neighbour.exemplar.id,
            "family": neighbour.exemplar.family,
            "tag": neighbour.exemplar.tag,
            "similarity": round(neighbour.similarity, DIGITS),
            "text": neighbour.exemplar.text,
        }
        for neighbour in found
    ]
