"""Canaries through an engine: does each head that the policy enables work at all?

A single canary may fail, for heads are statistical. What must hold for each head is the least that
a working head does, and more than a constant can do:

- one of its canaries fires, named after its family or a sibling;
- one of its near misses stays quiet;
- its own score is higher on one of its canaries than on all of its near misses.

The gates and the heads that name reply codes must give different scores to different canaries.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from corroborator.canaries import Canaries, load_canaries
from corroborator.detectors import CERTAINTY, CLAIM, DISCLOSURE
from corroborator.engine import Engine, Outcome, TurnInput
from corroborator.messages import Message
from corroborator.reply_check import COLLUSION, OVER_CORRECTION, Assessment


@dataclass(frozen=True, slots=True)
class Miss:
    """A canary that did not do what it should.

    Attributes:
        text: of the canary, which is ours and nobody's message.
        wanted: what it should have done.
        found: what happened, in words.
    """

    text: str
    wanted: Literal["fire", "stay quiet"]
    found: str


@dataclass(frozen=True, slots=True)
class HeadCheck:
    """What the canaries say of one head.

    Attributes:
        head: its name.
        canaries: how many were run.
        misses: those that did not do what they should; warnings, by themselves.
        failures: what must hold and does not.
    """

    head: str
    canaries: int
    misses: tuple[Miss, ...]
    failures: tuple[str, ...]


@dataclass(frozen=True)
class CanaryReport:
    """What the canaries say of all enabled heads."""

    heads: tuple[HeadCheck, ...]

    @cached_property
    def failing(self) -> tuple[HeadCheck, ...]:
        """The heads that do not do what they must."""
        return tuple(head for head in self.heads if head.failures)

    @property
    def canaries(self) -> int:
        """How many canaries were run."""
        return sum(head.canaries for head in self.heads)

    @property
    def misses(self) -> int:
        """How many of them did not do what they should."""
        return sum(len(head.misses) for head in self.heads)


def run_canaries(engine: Engine, canaries: Canaries | None = None) -> CanaryReport:
    """Run the canaries of every enabled head."""
    return CanaryReport(tuple(_Run(engine, canaries or load_canaries()).checks()))


@dataclass(frozen=True, slots=True)
class _Sung:
    """A canary, what its head scored, whether it did what it should, and what happened."""

    text: str
    score: float
    right: bool
    found: str = ""


class _Run:
    def __init__(self, engine: Engine, canaries: Canaries) -> None:
        self._engine, self._canaries = engine, canaries
        self._outcomes: dict[str, Outcome] = {}
        self._assessments: dict[tuple[str, str], Assessment] = {}

    def checks(self) -> Iterator[HeadCheck]:
        detector = self._engine.detector
        for family in (*detector.domains, *detector.protected):
            yield self._family(family)
        yield self._certainty()
        yield from self._replies()
        yield from self._constant()

    def _family(self, family: str) -> HeadCheck:
        protected = family in self._engine.taxonomy.protected
        pair = (self._canaries.protected if protected else self._canaries.domains)[family]
        relatives = self._canaries.relatives(family)

        def sing(text: str, *, fires: bool) -> _Sung:
            findings = self._open(text).detection.findings
            named = {f.family for f in findings if f.protected == protected}
            right = bool(named & relatives) if fires else not named
            found = f"counted as {', '.join(sorted(named))}" if named else "nothing fired"
            return _Sung(text, self._score(text, family), right, found)

        fires = [sing(text, fires=True) for text in pair.fires]
        return _checked(family, fires, [sing(text, fires=False) for text in pair.quiet])

    def _certainty(self) -> HeadCheck:
        pair = self._canaries.certainty
        fires, quiet = (
            [_Sung(text, self._score(text, CERTAINTY), right=True) for text in texts]
            for texts in (pair.fires, pair.quiet)
        )
        return _checked(CERTAINTY, fires, quiet)

    def _replies(self) -> Iterator[HeadCheck]:
        triples = self._canaries.replies
        good = [(t.user, t.good) for t in triples]
        for head, faulty in (
            (COLLUSION, [(t.user, t.colluding) for t in triples]),
            (OVER_CORRECTION, [(t.user, t.overcorrecting) for t in triples]),
        ):
            fires = [self._reply(head, *pair, fires=True) for pair in faulty]
            yield _checked(head, fires, [self._reply(head, *pair, fires=False) for pair in good])

    def _reply(self, head: str, user: str, draft: str, *, fires: bool) -> _Sung:
        judged = self._assess(user, draft)
        fired = judged.colludes if head == COLLUSION else judged.over_corrects
        score = judged.collusion if head == COLLUSION else judged.over_correction
        return _Sung(draft, score, fired == fires, "it fired" if fired else "it did not fire")

    def _constant(self) -> Iterator[HeadCheck]:
        heads = self._engine.detector.heads
        scores = heads.scores(np.vstack([o.vectors for o in self._outcomes.values()]))
        spread = {gate: np.ptp(scores[:, heads.column(gate)]) for gate in (CLAIM, DISCLOSURE)}
        judged = list(self._assessments.values())
        spread |= {code: np.ptp([a.codes[code] for a in judged]) for code in judged[0].codes}
        for head, width in spread.items():
            constant = ("it gives every canary the same score",) if width == 0 else ()
            yield HeadCheck(head, 0, (), constant)

    def _score(self, text: str, head: str) -> float:
        """Return what the fitted head says, without what a user's own exemplars add."""
        heads = self._engine.detector.heads
        scores = heads.scores(self._open(text).vectors)[:, heads.column(head)]
        return float(scores.max(initial=-np.inf))

    def _open(self, text: str) -> Outcome:
        if text not in self._outcomes:
            self._outcomes[text] = self._engine.open(TurnInput((Message("user", text),)))
        return self._outcomes[text]

    def _assess(self, user: str, draft: str) -> Assessment:
        if (user, draft) not in self._assessments:
            self._assessments[user, draft] = self._engine.assess(self._open(user), draft)
        return self._assessments[user, draft]


def _checked(head: str, fires: Sequence[_Sung], quiet: Sequence[_Sung]) -> HeadCheck:
    failures = []
    if not any(canary.right for canary in fires):
        failures.append("none of its canaries fires")
    if not any(canary.right for canary in quiet):
        failures.append("all of its near misses fire")
    if max(c.score for c in fires) <= max(c.score for c in quiet):
        failures.append("it scores none of its canaries above all of its near misses")
    misses = [Miss(c.text, "fire", c.found) for c in fires if not c.right]
    misses += [Miss(c.text, "stay quiet", c.found) for c in quiet if not c.right]
    return HeadCheck(head, len(fires) + len(quiet), tuple(misses), tuple(failures))
