"""How a reply is phrased: character n-grams of all of it, beside the vectors of its sentences.

A vector of a sentence holds what it is about and little of its stance; the n-grams hold stance in
its small words and the manner of the whole. N-grams are hashed, so no vocabulary is kept.
"""

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from corroborator.archives import opened
from corroborator.errors import DataError

_BITS = 16
BUCKETS = 2**_BITS
LENGTHS = (3, 4, 5)

_PRIME, _MIX = np.uint32(16777619), np.uint32(2654435761)
_SHIFT = np.uint32(32 - _BITS)

Counts = NDArray[np.float64]
Weights = NDArray[np.float32]


def ngram_counts(sentences: Iterable[str]) -> Counts:
    """Count the character n-grams of some sentences.

    Counts of a reply are the sum of its sentences': no n-gram reaches from one into the next.

    Returns:
        Shape (`BUCKETS`,).
    """
    hashes = [_hashes(f" {sentence.casefold()} ") for sentence in sentences]
    found = np.concatenate(hashes) if hashes else np.empty(0, dtype=np.uint32)
    return np.bincount(found, minlength=BUCKETS).astype(np.float64)


def _hashes(text: str) -> NDArray[np.uint32]:
    letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    grams = []
    for length in LENGTHS:
        places = len(letters) - length + 1
        value = np.full(max(0, places), length, dtype=np.uint32)
        for offset in range(length if places > 0 else 0):
            value = (value * _PRIME) ^ letters[offset : offset + places]
        grams.append((value * _MIX) >> _SHIFT)
    return np.concatenate(grams)


def weighted(counts: Counts, rarity: Counts) -> Counts:
    """Return features of length 1 from counts, shape (..., `BUCKETS`)."""
    damped = np.log1p(counts) * rarity
    length = np.linalg.norm(damped, axis=-1, keepdims=True)
    return np.asarray(damped / np.maximum(length, 1e-9))


@dataclass(frozen=True, slots=True)
class Blend:
    """How a gate joins the score of a reply's sentences with that of its phrasing.

    Attributes:
        sentences, phrasing, offset: ``log odds = sentences * pooled + phrasing * phrased + offset``,
            calibrated like a gate of `corroborator.heads.Heads`.
        threshold: calibrated probability from which a reply is at fault.
    """

    sentences: float
    phrasing: float
    offset: float
    threshold: float


@dataclass(frozen=True)
class Phrasing:
    """What the phrasing of a whole reply adds to the scores of its sentences.

    Attributes:
        rarity: see `rarities`; shape (`BUCKETS`,).
        weights: shape (gates, `BUCKETS`).
        blends: by gate, in the order of the weights.
    """

    rarity: Weights
    weights: Weights
    blends: Mapping[str, Blend]

    def scores(self, sentences: Iterable[str]) -> dict[str, float]:
        """Return what the phrasing of a reply tells each gate; uncalibrated."""
        features = weighted(ngram_counts(sentences), self.rarity.astype(np.float64))
        told = self.weights.astype(np.float64) @ features
        return {gate: float(score) for gate, score in zip(self.blends, told, strict=True)}

    def log_odds(self, gate: str, pooled: float, phrased: float) -> float:
        """Return the calibrated log odds that a reply is at fault.

        Args:
            gate: which fault.
            pooled: `corroborator.heads.pooled` score of its sentences.
            phrased: from `scores`.
        """
        blend = self.blends[gate]
        return blend.sentences * pooled + blend.phrasing * phrased + blend.offset

    def to_bytes(self) -> bytes:
        """Return it as a NumPy archive, the same bytes for the same content."""
        buffer = io.BytesIO()
        blends = json.dumps({gate: asdict(blend) for gate, blend in self.blends.items()})
        np.savez(buffer, rarity=self.rarity, weights=self.weights, blends=np.array(blends))
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            DataError: the content is no such archive.
        """
        with opened(content, "this phrasing", "run `corroborator fit`") as stored:
            blends = json.loads(str(stored["blends"]))
            found = cls(
                stored["rarity"],
                stored["weights"],
                {gate: Blend(**blend) for gate, blend in blends.items()},
            )
        if found.weights.shape != (len(found.blends), BUCKETS) or found.rarity.shape != (BUCKETS,):
            raise DataError("this phrasing has another size; run `corroborator fit`")
        return found
