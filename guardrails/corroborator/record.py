"""What a turn leaves in the audit log, sorted by what may be kept how.

``opened`` and ``body`` are chained for good and hold nothing about the person. ``detail`` and
``index`` can be deleted; ``sealed`` is encrypted and holds the text.
"""

import base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from corroborator.audit import IndexRow
from corroborator.detectors import CLAIM, DISCLOSURE
from corroborator.drafts import ReplyVerdict
from corroborator.engine import Engine, Outcome, TurnInput
from corroborator.findings import Finding
from corroborator.ledger import Ledger
from corroborator.reply_check import Assessment
from corroborator.statements import Statement
from corroborator.version import __version__

DIGITS = 4


@dataclass(frozen=True)
class Draft:
    """A draft and what was done about it."""

    text: str = field(repr=False)
    verdict: ReplyVerdict


@dataclass(frozen=True)
class Released:
    """What the user saw.

    Attributes:
        text: the reply.
        checked: before release, after it, or not at all because it is a text of ours.
        assessment: None for a replacement, and where it could not be judged.
    """

    text: str = field(repr=False)
    checked: Literal["checked", "after_release", "replacement"]
    assessment: Assessment | None


@dataclass(frozen=True)
class TurnFacts:
    """Everything that records are made of."""

    engine: Engine
    given: TurnInput
    outcome: Outcome
    drafts: tuple[Draft, ...]
    released: Released | None
    milliseconds: float
    errors: tuple[str, ...]

    @property
    def action(self) -> str:
        """What was done in one word: none, steered, revised or replaced."""
        if self.given.retrospective:
            return "none"
        if self.released is not None and self.released.checked == "replacement":
            return "replaced"
        if any(draft.verdict.kind == "revise" for draft in self.drafts):
            return "revised"
        return "steered" if self.outcome.decision.action == "steer" else "none"

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger after the reply: adopted claims are counted on the threads of this turn."""
        released, after = self.released, self.outcome.after
        if released is None or released.assessment is None or not released.assessment.colludes:
            return after
        claimed = {finding.family for finding in self.outcome.detection.findings}
        threads = [
            thread.model_copy(update={"adopted": thread.adopted + 1})
            if thread.domain in claimed
            else thread
            for thread in after.threads
        ]
        return after.model_copy(update={"threads": tuple(threads)})


def opened_of(engine: Engine, host_id: str | None = None) -> dict[str, object]:
    """Return what is known before anything is judged: the versions of everything that judges."""
    named = {} if host_id is None else {"turn": host_id}
    return {**named, "versions": versions_of(engine)}


def versions_of(engine: Engine) -> dict[str, str]:
    """Return the versions and hashes on which a decision depends."""
    own = engine.detector.own
    return {
        "package": __version__,
        "policy": engine.policy.hash,
        "taxonomy": engine.taxonomy.hash,
        "model": engine.model.hash,
        "texts": engine.texts.hash,
        "encoder": engine.encoder.id,
        **({} if own is None else {"exemplars": own.hash}),
    }


def configuration_of(engine: Engine) -> dict[str, object]:
    """Return what a `config_changed` event tells: the versions, and what is kept for how long."""
    audit = engine.policy.audit
    hours = None if audit.retention is None else round(audit.retention.total_seconds() / 3600)
    kept = {"content": audit.content, "retention_hours": hours, "on_error": audit.on_error}
    return {**versions_of(engine), **kept}


def body_of(facts: TurnFacts) -> dict[str, object]:
    """Return what is chained: no text, no finding, nothing that tells of the person."""
    return {
        "action": facts.action,
        "milliseconds": facts.milliseconds,
        "errors": list(facts.errors),
        "versions": versions_of(facts.engine),
    }


def detail_of(facts: TurnFacts) -> dict[str, object]:
    """Return what was judged, without text and without vectors."""
    outcome = facts.outcome
    detection, decision = outcome.detection, outcome.decision
    statements = outcome.units.statements
    return {
        "turn": outcome.after.turn,
        "repeated": outcome.repeated,
        "retrospective": facts.given.retrospective,
        "languages": dict(Counter(s.language for s in (*statements, *outcome.not_covered))),
        "statements": len(statements),
        "not_covered": len(outcome.not_covered),
        "unread": outcome.unread,
        "scores": {
            CLAIM: round(detection.claim, DIGITS),
            "claim_before_protected": round(detection.claim_before_protected, DIGITS),
            DISCLOSURE: round(detection.protected, DIGITS),
            **{family: round(p, DIGITS) for family, p in detection.scores.items()},
        },
        "findings": [_finding(finding, facts.engine) for finding in detection.findings],
        "decision": {
            "verdict": decision.verdict,
            "action": decision.action,
            "protected": list(decision.protected),
            "domains": list(decision.domains),
            "risk_hold": decision.risk_hold,
            "hold": decision.hold,
        },
        "evidence": [
            {"domain": item.domain, "bearing": item.bearing} for item in facts.given.evidence
        ],
        "steering_words": len(outcome.steering.text.split()),
        "drafts": [
            {"kind": draft.verdict.kind, **_assessment(draft.verdict.assessment)}
            for draft in facts.drafts
        ],
        "reply": _released(facts.released),
        "ledger_before": outcome.before.to_state(),
        "ledger_after": facts.ledger.to_state(),
    }


def sealed_of(facts: TurnFacts) -> dict[str, object]:
    """Return the texts, and the vectors from which the decision can be made again."""
    outcome = facts.outcome
    units = outcome.units
    return {
        "messages": [
            {"position": position, "text": facts.given.messages[position].text}
            for position in dict.fromkeys(
                s.message for s in (*units.statements, *outcome.not_covered)
            )
        ],
        "statements": [_place(s) for s in units.statements],
        "passages": [_place(s) for s in units.passages],
        "vectors": _vectors(outcome),
        "evidence": [
            {"domain": e.domain, "source": e.source, "text": e.text, "bearing": e.bearing}
            for e in facts.given.evidence
        ],
        "steering": outcome.steering.text,
        "drafts": [
            {"text": d.text, "guidance": d.verdict.guidance, "replacement": d.verdict.text}
            for d in facts.drafts
        ],
        "reply": None if facts.released is None else facts.released.text,
    }


def index_of(facts: TurnFacts) -> list[IndexRow]:
    """Return one row for each finding, and one without a domain where there is none."""
    families = dict.fromkeys(finding.family for finding in facts.outcome.detection.findings)
    action = facts.action
    return [IndexRow(family, action, fired=True) for family in families] or [
        IndexRow(None, action, fired=False)
    ]


def _finding(finding: Finding, engine: Engine) -> dict[str, object]:
    entry = (engine.taxonomy.protected if finding.protected else engine.taxonomy.domains)[
        finding.family
    ]
    return {
        "id": finding.family,
        "protected": finding.protected,
        "message": finding.statement.message,
        "start": finding.statement.start,
        "end": finding.statement.end,
        "language": finding.statement.language,
        "score": round(finding.score, DIGITS),
        "probability": round(finding.probability, DIGITS),
        "threshold": round(finding.threshold, DIGITS),
        "margin": round(finding.margin, DIGITS),
        "certainty": round(finding.certainty, DIGITS),
        "reliance": getattr(entry, "reliance", None),
        "nearest": [_near(n.exemplar.id, n.similarity) for n in finding.nearest],
        "contrasts": [_near(n.exemplar.id, n.similarity) for n in finding.contrasts],
    }


def _near(identifier: str, similarity: float) -> dict[str, object]:
    return {"id": identifier, "similarity": round(similarity, DIGITS)}


def _released(released: Released | None) -> dict[str, object] | None:
    if released is None:
        return None
    judged = {} if released.assessment is None else _assessment(released.assessment)
    return {"checked": released.checked, "characters": len(released.text), **judged}


def _assessment(assessment: Assessment) -> dict[str, object]:
    return {
        "collusion": round(assessment.collusion, DIGITS),
        "over_correction": round(assessment.over_correction, DIGITS),
        "colludes": assessment.colludes,
        "over_corrects": assessment.over_corrects,
        "codes": {code: round(p, DIGITS) for code, p in assessment.codes.items()},
        "marked": [
            {**asdict(mark), "probability": round(mark.probability, DIGITS)}
            for mark in assessment.marked
        ],
        "sentences": assessment.sentences,
    }


def _place(statement: Statement) -> list[int]:
    return [statement.message, statement.start, statement.end]


def _vectors(outcome: Outcome) -> Mapping[str, object]:
    values = np.ascontiguousarray(outcome.vectors, dtype="<f4")
    return {
        "shape": list(values.shape),
        "dtype": "<f4",
        "data": base64.b64encode(values.tobytes()).decode("ascii"),
    }
