"""Canaries through an engine: does each head that the policy enables work at all?

A single canary may fail, for heads are statistical. What must hold is the least that a working head
does, and more than a constant can do:

- of a family, one canary fires and is named after it or a sibling, one of its near misses stays
  quiet, and its head answers more to its own canaries than to those of the other families;
- a gate, and the head for certainty, answer more to what should fire than to what should not;
- of the gates for drafts, one faulty reply fires and one good reply stays quiet as well;
- a head that names reply codes does not give every reply the same score.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from corroborator.canaries import Canaries, CanaryPair, load_canaries
from corroborator.detectors import CERTAINTY, CLAIM, DISCLOSURE
from corroborator.engine import Engine, Outcome, TurnInput
from corroborator.heads import Floats, Heads
from corroborator.messages import Message
from corroborator.reply_check import COLLUSION, OVER_CORRECTION, pair_features
from corroborator.statements import read_message

EQUAL = 1e-6
"""Scores that differ by no more are the same: a constant differs by rounding only."""


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
    """A canary, whether it did what it should, and what happened."""

    text: str
    right: bool
    found: str


class _Run:
    def __init__(self, engine: Engine, canaries: Canaries) -> None:
        self._engine, self._canaries = engine, canaries
        self._outcomes: dict[str, Outcome] = {}

    def checks(self) -> Iterator[HeadCheck]:
        detector, canaries = self._engine.detector, self._canaries
        for gate, families, pairs in (
            (CLAIM, detector.domains, canaries.domains),
            (DISCLOSURE, tuple(detector.protected), canaries.protected),
        ):
            for family in families:
                yield self._family(family, families, pairs)
            fires = [text for family in families for text in pairs[family].fires]
            quiet = [text for family in families for text in pairs[family].quiet]
            yield HeadCheck(gate, 0, (), self._above(gate, fires, quiet, "near misses"))
        sure, unsure = canaries.certainty.fires, canaries.certainty.quiet
        unsteady = self._above(CERTAINTY, sure, unsure, "less sure statements")
        yield HeadCheck(CERTAINTY, len(sure) + len(unsure), (), unsteady)
        yield from self._replies()

    def _family(
        self, family: str, families: Sequence[str], pairs: Mapping[str, CanaryPair]
    ) -> HeadCheck:
        protected = family in self._engine.taxonomy.protected
        relatives = self._canaries.relatives(family)

        def sing(text: str, *, fires: bool) -> _Sung:
            findings = self._open(text).detection.findings
            named = {f.family for f in findings if f.protected == protected}
            right = bool(named & relatives) if fires else not named
            found = f"counted as {', '.join(sorted(named))}" if named else "nothing fired"
            return _Sung(text, right, found)

        fires = [sing(text, fires=True) for text in pairs[family].fires]
        quiet = [sing(text, fires=False) for text in pairs[family].quiet]
        others = [t for other in families if other != family for t in pairs[other].fires]
        deaf = self._above(family, pairs[family].fires, others, "canaries of other families")
        return _checked(family, fires, quiet, deaf if others else ())

    def _above(
        self, head: str, wanted: Sequence[str], others: Sequence[str], called: str
    ) -> tuple[str, ...]:
        """Say whether a head answers more to some texts than to others, on average."""
        heads = self._engine.detector.heads

        def mean(texts: Sequence[str]) -> float:
            rows = [_raw(heads, self._open(text).vectors) for text in texts]
            return float(np.mean([row[heads.column(head)] for row in rows]))

        if mean(wanted) > mean(others) + EQUAL:
            return ()
        return (f"it answers no more to its canaries than to {called}",)

    def _replies(self) -> Iterator[HeadCheck]:
        heads, triples = self._engine.checker.heads, self._canaries.replies
        good = [(t.user, t.good) for t in triples]
        scores = {pair: self._reply_scores(*pair) for pair in good}
        for gate, faulty in (
            (COLLUSION, [(t.user, t.colluding) for t in triples]),
            (OVER_CORRECTION, [(t.user, t.overcorrecting) for t in triples]),
        ):
            scores |= {pair: self._reply_scores(*pair) for pair in faulty}
            column = heads.column(gate)
            above = np.mean([scores[p][column] for p in faulty]) > EQUAL + np.mean(
                [scores[p][column] for p in good]
            )
            yield _checked(
                gate,
                [self._reply(gate, *pair, fires=True) for pair in faulty],
                [self._reply(gate, *pair, fires=False) for pair in good],
                () if above else ("it answers no more to faulty replies than to good ones",),
            )
        spread = np.ptp(list(scores.values()), axis=0)
        for name, width in zip(heads.names, spread, strict=True):
            if name not in (COLLUSION, OVER_CORRECTION):
                constant = () if width > EQUAL else ("it gives every reply the same score",)
                yield HeadCheck(name, 0, (), constant)

    def _reply(self, gate: str, user: str, draft: str, *, fires: bool) -> _Sung:
        judged = self._engine.assess(self._open(user), draft)
        fired = judged.colludes if gate == COLLUSION else judged.over_corrects
        return _Sung(draft, fired == fires, "it fired" if fired else "it did not fire")

    def _reply_scores(self, user: str, draft: str) -> Floats:
        sentences = self._engine.encoder.encode([s.text for s in read_message(draft).statements])
        pairs = [pair_features(claim, sentences) for claim in self._open(user).claims]
        return _raw(self._engine.checker.heads, np.concatenate(pairs))

    def _open(self, text: str) -> Outcome:
        if text not in self._outcomes:
            self._outcomes[text] = self._engine.open(TurnInput((Message("user", text),)))
        return self._outcomes[text]


def _raw(heads: Heads, features: NDArray[np.float32]) -> Floats:
    """Return what each head itself says, before calibration and before families share a gate."""
    raw = features.astype(np.float64) @ heads.weights.T.astype(np.float64) + heads.biases
    return np.asarray(raw.max(axis=0, initial=-np.inf), dtype=np.float64)


def _checked(
    head: str, fires: Sequence[_Sung], quiet: Sequence[_Sung], failures: Sequence[str]
) -> HeadCheck:
    failing = list(failures)
    if not any(canary.right for canary in fires):
        failing.append("none of its canaries fires")
    if not any(canary.right for canary in quiet):
        failing.append("all of its near misses fire")
    misses = [Miss(c.text, "fire", c.found) for c in fires if not c.right]
    misses += [Miss(c.text, "stay quiet", c.found) for c in quiet if not c.right]
    return HeadCheck(head, len(fires) + len(quiet), tuple(misses), tuple(failing))
