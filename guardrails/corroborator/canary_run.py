"""Canaries through an engine: does each head that the policy enables work at all?

A single canary may fail, for heads are statistical. What must hold is the least that a working head
does, and more than a constant can do:

- of a family, one canary fires and is named after it or a sibling, one of its near misses stays
  quiet, and its own row of weights answers more to its canaries than to those of other families;
- a gate answers more to what should fire than to what should not;
- of the gates for drafts, one faulty reply fires and one good reply stays quiet as well;
- the row of a reply code does not answer the same to every reply.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from corroborator.canaries import Canaries, CanaryPair, load_canaries
from corroborator.detectors import CERTAINTY, CLAIM, DISCLOSURE
from corroborator.engine import Engine, Outcome, TurnInput
from corroborator.heads import Heads
from corroborator.messages import Message
from corroborator.reply_check import COLLUSION, OVER_CORRECTION, Features, pair_features
from corroborator.statements import read_message

EQUAL = 1e-6
"""Scores that differ by no more are the same: a constant differs by rounding only."""

DEAF = "it does not tell its canaries from others"


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
            (DISCLOSURE, detector.protected, canaries.protected),
        ):
            for family in families:
                yield self._family(family, families, pairs)
            fires = [text for family in families for text in pairs[family].fires]
            quiet = [text for family in families for text in pairs[family].quiet]
            deaf = self._deaf(detector.heads, gate, fires, quiet)
            yield HeadCheck(gate, 0, (), deaf)
        sure, unsure = canaries.certainty.fires, canaries.certainty.quiet
        deaf = self._deaf(detector.certainty, CERTAINTY, sure, unsure)
        yield HeadCheck(CERTAINTY, len(sure) + len(unsure), (), deaf)
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
        heads = self._engine.detector.heads
        deaf = self._deaf(heads, family, pairs[family].fires, others) if others else ()
        return _checked(family, fires, quiet, deaf)

    def _deaf(
        self, heads: Heads, name: str, fires: Sequence[str], others: Sequence[str]
    ) -> tuple[str, ...]:
        answers = [
            np.mean([_answer(heads, name, self._open(text).vectors) for text in texts])
            for texts in (fires, others)
        ]
        return () if answers[0] > answers[1] + EQUAL else (DEAF,)

    def _replies(self) -> Iterator[HeadCheck]:
        heads, triples = self._engine.checker.heads, self._canaries.replies
        good = [(t.user, t.good) for t in triples]
        faulty = {
            COLLUSION: [(t.user, t.colluding) for t in triples],
            OVER_CORRECTION: [(t.user, t.overcorrecting) for t in triples],
        }
        pairs = {pair: self._pairs(*pair) for side in (good, *faulty.values()) for pair in side}
        for gate, wrong in faulty.items():
            answers = [
                np.mean([_answer(heads, gate, pairs[pair]) for pair in side])
                for side in (wrong, good)
            ]
            yield _checked(
                gate,
                [self._reply(gate, *pair, fires=True) for pair in wrong],
                [self._reply(gate, *pair, fires=False) for pair in good],
                () if answers[0] > answers[1] + EQUAL else (DEAF,),
            )
            for code in heads.gates[gate].families:
                spread = np.ptp([_answer(heads, code, features) for features in pairs.values()])
                yield HeadCheck(code, 0, (), () if spread > EQUAL else (DEAF,))

    def _reply(self, gate: str, user: str, draft: str, *, fires: bool) -> _Sung:
        judged = self._engine.assess(self._open(user), draft)
        fired = judged.colludes if gate == COLLUSION else judged.over_corrects
        return _Sung(draft, fired == fires, "it fired" if fired else "it did not fire")

    def _pairs(self, user: str, draft: str) -> Features:
        sentences = self._engine.encoder.encode([s.text for s in read_message(draft).statements])
        claims = self._open(user).claims
        return np.concatenate([pair_features(claim, sentences) for claim in claims])

    def _open(self, text: str) -> Outcome:
        if text not in self._outcomes:
            self._outcomes[text] = self._engine.open(TurnInput((Message("user", text),)))
        return self._outcomes[text]


def _answer(heads: Heads, name: str, features: Features) -> float:
    """Return the highest score of a gate, or what the row of a family says by itself."""
    if name in heads.gates:
        scores = heads.scores(features)[:, heads.column(name)]
    else:
        row = heads.classes.index(name)
        scores = features.astype(np.float64) @ heads.weights[row] + heads.biases[row]
    return float(scores.max(initial=-np.inf))


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
