"""What the detectors say of a statement."""

from collections.abc import Mapping
from dataclasses import dataclass

from corroborator.exemplars import Neighbour
from corroborator.statements import Statement


@dataclass(frozen=True, slots=True)
class Finding:
    """A statement that counts as a claim of a domain, or as a protected disclosure.

    Attributes:
        family: id of the domain or disclosure.
        protected: whether it is a disclosure: to act on, never to doubt.
        statement: the sentence or clause that carries it.
        score: the head's score in log odds.
        probability: calibrated, in [0, 1], at the prior that the manifest states.
        threshold: probability from which it counts.
        certainty: how surely it is stated, in [0, 1].
        nearest: the nearest exemplars over the whole bank, nearest first.
        contrasts: the nearest near misses over the whole bank, nearest first.
    """

    family: str
    protected: bool
    statement: Statement
    score: float
    probability: float
    threshold: float
    certainty: float
    nearest: tuple[Neighbour, ...]
    contrasts: tuple[Neighbour, ...]

    @property
    def margin(self) -> float:
        """Probability above the threshold."""
        return self.probability - self.threshold

    @property
    def nearest_of_all(self) -> Neighbour | None:
        """The nearest of exemplars and near misses; None where a bank has none."""
        both = (*self.nearest[:1], *self.contrasts[:1])
        return max(both, key=lambda neighbour: neighbour.similarity, default=None)


@dataclass(frozen=True, slots=True)
class Detection:
    """All that the detectors say of the statements of one turn.

    Attributes:
        findings: strongest first.
        claim: calibrated probability that any claim is made, after disclosures had their say.
        claim_before_protected: the same before.
        protected: probability of the likeliest disclosure.
        scores: family -> highest calibrated probability over the statements, fired or not.
    """

    findings: tuple[Finding, ...]
    claim: float
    claim_before_protected: float
    protected: float
    scores: Mapping[str, float]
