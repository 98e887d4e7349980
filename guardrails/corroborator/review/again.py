"""Past decisions made again: what a proposal would change, and what steering would have done."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import select

from corroborator.audit import AuditLog, StoredTurn
from corroborator.engine import Engine, Outcome
from corroborator.exemplars import Exemplar, ExemplarBank
from corroborator.policy import DomainPolicy, profile_policy
from corroborator.replay import judge_again
from corroborator.review.jobs import Tell
from corroborator.review.tables import turns
from corroborator.statements import normalise
from corroborator.training import Banks, fit_statements


@dataclass(frozen=True, slots=True)
class Change:
    """A past decision that would be another.

    Attributes:
        turn: its number in the index.
        time: when it was.
        found, lost: ids that would be found now, and that no longer would.
        before, after: verdicts.
    """

    turn: int
    time: str
    found: tuple[str, ...]
    lost: tuple[str, ...]
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a proposal would change.

    Attributes:
        decided: how many past turns were decided again.
        changes: those that would be decided otherwise, the latest first.
    """

    decided: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Shadow:
    """What steering would have done.

    Attributes:
        decided: how many past turns were decided again.
        idle: in how many of them nothing was done.
        steered: in how many of those the model would have been steered.
        sent_back, replaced: in how many a draft would have been sent back, or replaced.
        by_family: id -> turns in which it would have been steered on.
    """

    decided: int
    idle: int
    steered: int
    sent_back: int
    replaced: int
    by_family: Mapping[str, int]


def preview(log: AuditLog, engine: Engine, new: Exemplar, most: int, tell: Tell) -> Preview:
    """Fit the statement heads again with one more exemplar, and decide the latest turns again.

    Args:
        log: with the master key.
        engine: as it is now.
        new: the exemplar.
        most: how many turns to decide again.
        tell: is told how far it is.

    Raises:
        ConfigError: scikit-learn is missing.
    """
    tell("fitting the detectors again")
    other = refitted(engine, new)
    decided = 0
    changes: list[Change] = []
    for number, turn in latest(log, most):
        before, after = judge_again(engine, turn), judge_again(other, turn)
        if before is None or after is None:
            continue
        decided += 1
        tell(f"deciding past turns again: {decided}")
        change = _change(number, turn, before.outcome, after.outcome)
        changes += [] if change is None else [change]
    return Preview(decided, tuple(changes))


def refitted(engine: Engine, new: Exemplar) -> Engine:
    """Return an engine whose statement heads were fitted with one more exemplar."""
    bank = engine.model.bank
    vector = engine.encoder.encode([normalise(new.text)])
    vectors = np.concatenate([bank.vectors, vector])
    exemplars = (*bank.exemplars, new)
    heads = fit_statements(Banks(exemplars, ()), {"exemplars": vectors}, engine.taxonomy)
    detector = replace(engine.detector, bank=ExemplarBank(exemplars, vectors), heads=heads)
    return replace(engine, detector=detector)


def shadow(log: AuditLog, engine: Engine, most: int, tell: Tell) -> Shadow:
    """Decide the latest turns again with every watched domain steered on.

    Drafts are handled as the ``general`` profile does.
    """
    other = steering_engine(engine)
    counts: Counter[str] = Counter()
    families: Counter[str] = Counter()
    for _, turn in latest(log, most):
        again = judge_again(other, turn, drafts=True)
        if again is None:
            continue
        counts["decided"] += 1
        tell(f"deciding past turns again: {counts['decided']}")
        if turn.closed is None or turn.closed.body.get("action") != "none":
            continue
        decision = again.outcome.decision
        counts["idle"] += 1
        counts["steered"] += decision.action == "steer"
        counts["sent_back"] += "revise" in again.drafts
        counts["replaced"] += "replace" in again.drafts
        if decision.action == "steer":
            families.update((*decision.protected, *decision.domains))
    return Shadow(
        counts["decided"],
        counts["idle"],
        counts["steered"],
        counts["sent_back"],
        counts["replaced"],
        dict(families.most_common()),
    )


def steering_engine(engine: Engine) -> Engine:
    """Return an engine that steers on all that this one watches."""
    domains = {
        name: DomainPolicy(
            mode="steer" if rule.mode == "observe" else rule.mode, threshold=rule.threshold
        )
        for name, rule in engine.policy.domains.items()
    }
    reply = profile_policy("general").reply
    return replace(
        engine, policy=engine.policy.model_copy(update={"domains": domains, "reply": reply})
    )


def latest(log: AuditLog, most: int) -> Iterator[tuple[int, StoredTurn]]:
    """Read the latest turns of the index with their numbers, conversation by conversation."""
    wanted = select(turns.c.id, turns.c.chain, turns.c.seq).order_by(turns.c.id.desc()).limit(most)
    rows = log.store.read(lambda connection: connection.execute(wanted).all())
    numbers: dict[str, dict[int, int]] = {}
    for row in rows:
        numbers.setdefault(row.chain, {})[row.seq] = row.id
    for chain, of_chain in numbers.items():
        for turn in log.records(chain):
            number = of_chain.get(turn.opened.seq)
            if number is not None:
                yield number, turn


def _change(number: int, turn: StoredTurn, before: Outcome, after: Outcome) -> Change | None:
    then, now = _found(before), _found(after)
    if then == now and before.decision.verdict == after.decision.verdict:
        return None
    return Change(
        number,
        turn.opened.time,
        tuple(sorted(now - then)),
        tuple(sorted(then - now)),
        before.decision.verdict,
        after.decision.verdict,
    )


def _found(outcome: Outcome) -> set[str]:
    return {finding.family for finding in outcome.detection.findings}
