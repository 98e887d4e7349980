"""From findings and ledger to what is done about the turn.

Order: emergency, protected disclosure, critical domains, the rest (research: the conflict order
follows arXiv 2606.00975, where delusional framing suppressed safety responses). Protective claims
are accepted at once; only claims whose acceptance removes protection are ever steered on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from corroborator.findings import Finding
from corroborator.ledger import Ledger
from corroborator.policy import Policy
from corroborator.taxonomy import Severity, Taxonomy

Verdict = Literal["clear", "note", "steer", "protect"]
Action = Literal["none", "steer"]

_SEVERITY = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Decision:
    """What the guard judged of a turn, and what it does.

    Attributes:
        verdict: ``clear`` nothing found; ``note`` found, recorded only; ``steer`` claims a reply
            must not rest on; ``protect`` a disclosure, met with help first.
        action: ``none`` where the policy observes, or nothing is to be done.
        protected: ids of disclosures, the most urgent first.
        domains: ids of domains to steer on, the most severe first.
        risk_hold: whether safety stays first because of an earlier turn.
        hold: whether a streaming host holds the reply back until it is checked.
    """

    verdict: Verdict
    action: Action
    protected: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    risk_hold: bool = False
    hold: bool = False

    @property
    def lead(self) -> str | None:
        """The id that leads the reply, if any."""
        return next(iter((*self.protected, *self.domains)), None)


def decide(
    findings: Iterable[Finding],
    ledger: Ledger,
    policy: Policy,
    taxonomy: Taxonomy,
    *,
    borderline: bool = False,
) -> Decision:
    """Decide on a turn; a pure function.

    Args:
        findings: those of this turn.
        ledger: after this turn's findings and evidence.
        policy: what is wanted.
        taxonomy: severity and urgency of each family.
        borderline: whether a score came near its threshold.
    """
    found = tuple(findings)
    protected = _urgent_first({f.family for f in found if f.protected}, taxonomy)
    claims = sorted((f for f in found if not f.protected), key=lambda f: f.margin)
    margins = {f.family: f.margin for f in claims}  # the highest of each
    open_claims = [d for d in margins if ledger.status(d) != "corroborated"]
    open_claims.sort(key=lambda d: (_SEVERITY[taxonomy.domains[d].severity], -margins[d], d))
    acting = [d for d in open_claims if policy.mode(d) == "steer"]
    risk_hold = ledger.holds_risk()
    observing = not any(domain.mode == "steer" for domain in policy.domains.values())
    verdict: Verdict = "clear"
    if protected:
        verdict = "protect"
    elif acting:
        verdict = "steer"
    elif margins:
        verdict = "note"
    acts = bool(protected or acting or risk_hold) and not observing
    return Decision(
        verdict,
        "steer" if acts else "none",
        protected,
        tuple(acting) if not observing else tuple(open_claims),
        risk_hold,
        _holds(policy, ledger, found=bool(found), risk_hold=risk_hold, borderline=borderline),
    )


def _urgent_first(families: Iterable[str], taxonomy: Taxonomy) -> tuple[str, ...]:
    return tuple(sorted(families, key=lambda f: (taxonomy.protected[f].order != "emergency", f)))


def _holds(
    policy: Policy, ledger: Ledger, *, found: bool, risk_hold: bool, borderline: bool
) -> bool:
    if policy.reply.stream == "hold_on_finding":
        return found or risk_hold or borderline or bool(ledger.open_threads())
    return policy.reply.stream == "hold_always"


def opens_risk_hold(taxonomy: Taxonomy) -> frozenset[str]:
    """Return the families that open or renew a risk hold."""
    entries = {**taxonomy.domains, **taxonomy.protected}
    return frozenset(name for name, entry in entries.items() if entry.opens_risk_hold)
