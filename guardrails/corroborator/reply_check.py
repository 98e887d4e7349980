"""A turn and a draft in, an assessment of the draft out.

The unit is the pair of a claim and a sentence of the reply: the same sentence is fine after one
claim and adopts another. Every sentence is read, whatever the length of the draft. The phrasing of
the whole draft is read beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corroborator.exemplars import Vectors
from corroborator.heads import Floats, Heads, pooled, sigmoid
from corroborator.phrasing import Phrasing
from corroborator.statements import Statement

COLLUSION, OVER_CORRECTION = "collusion", "over_correction"
"""The two heads whose calibration holds for whole replies; the others name codes."""

Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MarkedSentence:
    """A sentence of a draft that adopts a claim, or that doubts, labels or turns away.

    Attributes:
        start, end: its place in the draft, in characters, end excluded.
        code: the likeliest code, K1 to K16 or O1 to O12.
        probability: that the reply is at fault, as far as this sentence goes, in [0, 1].
    """

    start: int
    end: int
    code: str
    probability: float


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is judged of a draft.

    Attributes:
        collusion: calibrated probability that the reply adopts a claim, in [0, 1].
        over_correction: the same for doubting, interrogating, labelling or turning away.
        colludes, over_corrects: whether these reach their thresholds.
        codes: code -> highest probability over the sentences.
        marked: the sentences at fault, in order.
        sentences: how many sentences were read.
    """

    collusion: float = 0.0
    over_correction: float = 0.0
    colludes: bool = False
    over_corrects: bool = False
    codes: Mapping[str, float] = None  # type: ignore[assignment] # set by __post_init__
    marked: tuple[MarkedSentence, ...] = ()
    sentences: int = 0

    def __post_init__(self) -> None:
        if self.codes is None:
            object.__setattr__(self, "codes", {})


def pair_features(claim: Vectors, sentences: Vectors) -> Features:
    """Return the features of sentences against one claim.

    Args:
        claim: shape (dimensions,), of length 1.
        sentences: shape (n, dimensions), rows of length 1.

    Returns:
        Shape (n, 2 * dimensions): the sentence, and its product with the claim, place by place,
        scaled so that both halves have about the same length.
    """
    scale = np.float32(np.sqrt(len(claim)) / 2)
    return np.hstack([sentences, sentences * claim * scale]).astype(np.float32)


def mean_claim(vectors: Vectors) -> Vectors:
    """Return what a message claims as one vector: the mean of its statements, of length 1."""
    mean = vectors.mean(axis=0)
    return np.asarray(mean / max(1e-9, float(np.linalg.norm(mean))), dtype=np.float32)


@dataclass(frozen=True)
class ReplyChecker:
    """What was fitted on replies.

    Attributes:
        heads: `COLLUSION`, `OVER_CORRECTION` and one for each code, of a sentence.
        phrasing: of the whole reply, for `COLLUSION` and `OVER_CORRECTION`.
    """

    heads: Heads
    phrasing: Phrasing

    def assess(
        self,
        claims: Vectors,
        sentences: Sequence[Statement],
        vectors: Vectors,
        premise: float = 0.0,
    ) -> Assessment:
        """Judge the sentences of a draft against the claims of a turn.

        Args:
            claims: shape (claims, dimensions); none gives an empty assessment.
            sentences: where the sentences are in the draft.
            vectors: shape (sentences, dimensions), in the same order.
            premise: log odds that the turn holds something to collude with, at most 0; they are
                added to those of collusion.
        """
        if not len(claims) or not len(vectors):
            return Assessment(sentences=len(sentences))
        scores = np.max(
            [self.heads.scores(pair_features(claim, vectors)) for claim in claims], axis=0
        )
        phrased = self.phrasing.scores(sentence.text for sentence in sentences)
        colludes, collusion = self._reply(scores, phrased, COLLUSION, premise)
        corrects, correction = self._reply(scores, phrased, OVER_CORRECTION)
        codes = [name for name in self.heads.names if name not in (COLLUSION, OVER_CORRECTION)]
        by_code = sigmoid(scores[:, self.heads.columns(codes)])
        marked = (
            *self._marked(scores, sentences, COLLUSION, "K", fires=colludes),
            *self._marked(scores, sentences, OVER_CORRECTION, "O", fires=corrects),
        )
        return Assessment(
            collusion,
            correction,
            colludes,
            corrects,
            {code: float(p) for code, p in zip(codes, by_code.max(axis=0), strict=True)},
            tuple(sorted(marked, key=lambda sentence: sentence.start)),
            len(sentences),
        )

    def _reply(
        self, scores: Floats, phrased: Mapping[str, float], head: str, premise: float = 0.0
    ) -> tuple[bool, float]:
        sentences = pooled(scores[:, self.heads.column(head)])
        log_odds = self.phrasing.log_odds(head, sentences, phrased[head])
        probability = float(sigmoid(np.array(log_odds + premise)))
        return probability >= self.phrasing.blends[head].threshold, probability

    def _marked(
        self,
        scores: Floats,
        sentences: Sequence[Statement],
        head: str,
        letter: str,
        *,
        fires: bool,
    ) -> list[MarkedSentence]:
        if not fires:
            return []
        probabilities = sigmoid(scores[:, self.heads.column(head)])
        codes = [n for n in self.heads.names if n[0] == letter and n[1:].isdigit()]
        best = scores[:, self.heads.columns(codes)].argmax(axis=1)
        return [
            MarkedSentence(s.start, s.end, codes[best[row]], float(probabilities[row]))
            for row, s in enumerate(sentences)
            if probabilities[row] >= min(self.heads.thresholds[head], probabilities.max())
        ]
