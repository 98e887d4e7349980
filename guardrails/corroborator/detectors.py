"""Statements and their vectors in, findings out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from corroborator.exemplars import ExemplarBank, Neighbour, Vectors
from corroborator.findings import Detection, Finding
from corroborator.heads import Floats, Heads, sigmoid
from corroborator.statements import Reading, Statement

CLAIM, CERTAINTY, DISCLOSURE = "claim", "certainty", "disclosure"
"""Heads that are no family: whether any claim is made, how surely, whether anything is disclosed."""

NEAREST = 3
"""How many exemplars and contrasts a finding names."""

BORDERLINE = 0.5
"""A probability above this share of its threshold is borderline: a stream is held, no more."""

OWN_REACH = 0.6
OWN_GAIN = 2.0
"""A user's own exemplar adds at most 2 log odds, growing from cosine 0.6 to 1: it moves what is
near it and cannot outvote the fitted heads elsewhere."""


@dataclass(frozen=True)
class Units:
    """The statements and passages of one turn, in the order in which they are encoded.

    Attributes:
        statements: sentences and clauses of all unseen messages.
        passages: runs of them.
    """

    statements: tuple[Statement, ...]
    passages: tuple[Statement, ...]

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> "Units":
        """Gather the covered statements and passages of several messages."""
        return cls(
            tuple(s for reading in readings for s in reading.statements if s.covered),
            tuple(p for reading in readings for p in reading.passages if p.covered),
        )

    @property
    def texts(self) -> list[str]:
        """What is to be encoded."""
        return [unit.text for unit in (*self.statements, *self.passages)]

    def within(self, passage: Statement) -> list[int]:
        """Return the positions of the statements that a passage is made of."""
        return [
            position
            for position, s in enumerate(self.statements)
            if s.message == passage.message and passage.start <= s.start and s.end <= passage.end
        ]


@dataclass(frozen=True)
class Detector:
    """The fitted heads over a bank.

    Attributes:
        bank: the exemplars, for explanations.
        heads: the gates `CLAIM` and `DISCLOSURE` with their families.
        certainty: the gate `CERTAINTY`.
        domains: the domains that are looked for; claims of the others are no findings.
        protected: the disclosures, all of them.
        mixed: domains that stay findings in a statement which is a disclosure too.
        thresholds: family -> probability from which it counts, where the policy sets one.
        own: exemplars of the user's own.
    """

    bank: ExemplarBank
    heads: Heads
    certainty: Heads
    domains: tuple[str, ...]
    protected: tuple[str, ...]
    mixed: frozenset[str]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    own: ExemplarBank | None = None

    def detect(self, units: Units, vectors: Vectors) -> Detection:
        """Judge the units of one turn.

        Args:
            units: what was encoded.
            vectors: shape (statements then passages, dimensions).
        """
        if not len(vectors) or not self.domains:
            return Detection((), 0.0, 0.0, 0.0, {})
        judged = _Judged(self, units, vectors, self._scores(vectors))
        return judged.detection()

    @cached_property
    def known(self) -> tuple[str, ...]:
        """All domains that there are heads for."""
        return self.heads.gates[CLAIM].families

    def threshold(self, family: str) -> float:
        """Return the probability from which a statement counts as this family."""
        return self.thresholds.get(family, self.heads.thresholds[family])

    def is_borderline(self, detection: Detection) -> bool:
        """Whether a score came near its threshold without reaching it."""
        limits = {CLAIM: detection.claim, DISCLOSURE: detection.protected}
        return any(p >= BORDERLINE * self.heads.thresholds[gate] for gate, p in limits.items())

    def _scores(self, vectors: Vectors) -> Floats:
        scores = self.heads.scores(vectors)
        if self.own is not None:
            self._add_own(scores, vectors)
        return scores

    def _add_own(self, scores: Floats, vectors: Vectors) -> None:
        assert self.own is not None  # noqa: S101 - the caller's condition, for the type checker
        positives = self.own.nearest_positives(vectors, 1)
        contrasts = self.own.nearest_contrasts(vectors, 1)
        for row, (near, far) in enumerate(zip(positives, contrasts, strict=True)):
            for sign, found in ((1, near), (-1, far)):
                for neighbour in found:
                    family = neighbour.exemplar.family
                    gate = DISCLOSURE if family in self.protected else CLAIM
                    reach = max(0.0, (neighbour.similarity - OWN_REACH) / (1 - OWN_REACH))
                    for name in {gate, family} & set(self.heads.names):
                        scores[row, self.heads.column(name)] += sign * OWN_GAIN * reach


@dataclass(frozen=True)
class _Judged:
    detector: Detector
    units: Units
    vectors: Vectors
    scores: Floats

    def detection(self) -> Detection:
        before = sigmoid(self._column(CLAIM))
        after = np.where(self._yields(), np.minimum(before, self._spared), before)
        findings = [*self._protected(), *self._claims(after)]
        findings.sort(key=lambda f: -f.margin)
        families = (*self.detector.domains, *self.detector.protected)
        highest = sigmoid(self.scores[:, self.detector.heads.columns(families)]).max(axis=0)
        return Detection(
            tuple(findings),
            float(after.max()),
            float(before.max()),
            float(sigmoid(self._column(DISCLOSURE)).max()),
            {name: float(p) for name, p in zip(families, highest, strict=True)},
        )

    def _column(self, name: str) -> Floats:
        return self.scores[:, self.detector.heads.column(name)]

    @property
    def _spared(self) -> float:
        """What is left of the claim probability of a statement that is a disclosure."""
        return 0.5 * min(map(self.detector.threshold, self.detector.domains))

    def _named(self, families: tuple[str, ...]) -> list[str]:
        best = self.scores[:, self.detector.heads.columns(families)].argmax(axis=1)
        return [families[column] for column in best]

    def _disclosing(self) -> NDArray[np.bool_]:
        named = self._named(self.detector.protected)
        limits = np.array([self.detector.threshold(family) for family in named])
        return np.asarray(sigmoid(self._column(DISCLOSURE)) >= limits)

    def _yields(self) -> NDArray[np.bool_]:
        """Say which units are disclosures that no claim may be read into.

        A mixed statement keeps its claim where the claim is the stronger of the two: "he checks
        my phone" is a disclosure alone, "they poison my food and I can't go on" is both.
        """
        named = self._named(self.detector.known)
        mixed = np.array([family in self.detector.mixed for family in named])
        mixed &= self._column(CLAIM) >= self._column(DISCLOSURE)
        disclosing = self._disclosing()
        statements = len(self.units.statements)
        for row, passage in enumerate(self.units.passages, start=statements):
            inside = self.units.within(passage)
            disclosing[row] = disclosing[row] or disclosing[inside].any()
        return np.asarray(disclosing & ~mixed)

    def _protected(self) -> Iterator[Finding]:
        named = self._named(self.detector.protected)
        probabilities = sigmoid(self._column(DISCLOSURE))
        yield from self._findings(named, probabilities, protected=True)

    def _claims(self, after: Floats) -> Iterator[Finding]:
        """Yield the claims of the domains that are looked for; another's is not given to them."""
        wanted = set(self.detector.domains)
        found = self._findings(self._named(self.detector.known), after, protected=False)
        yield from (finding for finding in found if finding.family in wanted)

    def _findings(
        self, named: list[str], probabilities: Floats, *, protected: bool
    ) -> Iterator[Finding]:
        """Yield a finding for each unit over its threshold; a passage only adds what is new."""
        seen: set[tuple[str, int]] = set()
        for row, family in enumerate(named):
            if probabilities[row] < self.detector.threshold(family):
                continue
            places = [row]
            if row >= len(self.units.statements):
                places = self.units.within(self.units.passages[row - len(self.units.statements)])
            if any((family, place) in seen for place in places):
                continue
            column = self.detector.heads.column(family)
            carrier = max(places, key=lambda place: self.scores[place, column])
            seen.add((family, carrier))
            yield self._finding(row, carrier, family, float(probabilities[row]), protected)

    def _finding(
        self, row: int, carrier: int, family: str, probability: float, protected: bool
    ) -> Finding:
        vector = self.vectors[row : row + 1]
        gate = DISCLOSURE if protected else CLAIM
        return Finding(
            family,
            protected,
            self.units.statements[carrier],
            float(self._column(gate)[row]),
            probability,
            self.detector.threshold(family),
            self._certainty(carrier),
            tuple(self.detector.bank.nearest_positives(vector, NEAREST)[0]),
            self._contrasts(vector, protected=protected),
        )

    def _certainty(self, place: int) -> float:
        heads = self.detector.certainty
        score = heads.scores(self.vectors[place : place + 1])[0, heads.column(CERTAINTY)]
        return float(sigmoid(score))

    def _contrasts(self, vector: Vectors, *, protected: bool) -> tuple[Neighbour, ...]:
        """Return the nearest near misses; a disclosure among them is none to a disclosure."""
        found = self.detector.bank.nearest_contrasts(vector, 2 * NEAREST)[0]
        misses = [n for n in found if not (protected and n.exemplar.tag == "protected")]
        return tuple(misses[:NEAREST])
