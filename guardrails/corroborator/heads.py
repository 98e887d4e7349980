"""Fitted linear heads: a vector in, a calibrated probability for each family out."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from corroborator.errors import DataError

Floats = NDArray[np.float64]


def sigmoid(logits: Floats) -> Floats:
    """Return the logistic function, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), dtype=np.float64)


def shift_prior(probability: float, fitted: float, wanted: float) -> float:
    """Return a probability calibrated at one base rate as it would be at another (Bayes)."""
    odds = probability / max(1e-12, 1 - probability)
    odds *= (wanted / (1 - wanted)) / (fitted / (1 - fitted))
    return odds / (1 + odds)


@dataclass(frozen=True)
class Heads:
    """A stack of linear heads with one calibration and one threshold each.

    Attributes:
        names: of the heads, in the order of the columns.
        weights: shape (number of heads, number of features).
        biases: shape (number of heads,).
        slopes, offsets: Platt calibration: ``log odds = slope * score + offset``.
        thresholds: calibrated probability from which a head counts.
    """

    names: tuple[str, ...]
    weights: NDArray[np.float32]
    biases: Floats
    slopes: Floats
    offsets: Floats
    thresholds: Mapping[str, float]

    def scores(self, features: NDArray[np.float32]) -> Floats:
        """Return calibrated log odds, shape (rows, heads), for features (rows, features)."""
        raw = features.astype(np.float64) @ self.weights.T.astype(np.float64) + self.biases
        return np.asarray(raw * self.slopes + self.offsets, dtype=np.float64)

    def column(self, name: str) -> int:
        """Return the column of a head."""
        return self.names.index(name)

    def columns(self, names: Sequence[str]) -> NDArray[np.intp]:
        """Return the columns of several heads."""
        return np.array([self.names.index(name) for name in names], dtype=np.intp)

    def to_bytes(self) -> bytes:
        """Return the heads as a NumPy archive, the same bytes for the same heads."""
        buffer = io.BytesIO()
        thresholds = np.array([self.thresholds[name] for name in self.names])
        np.savez(
            buffer,
            names=np.array(self.names),
            weights=self.weights,
            biases=self.biases,
            slopes=self.slopes,
            offsets=self.offsets,
            thresholds=thresholds,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            DataError: the content is no such archive.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                names = tuple(str(name) for name in stored["names"])
                return cls(
                    names,
                    stored["weights"],
                    stored["biases"],
                    stored["slopes"],
                    stored["offsets"],
                    dict(zip(names, (float(t) for t in stored["thresholds"]), strict=True)),
                )
        except (ValueError, KeyError, OSError) as error:
            problem = f"these heads cannot be read ({type(error).__name__}); run `corroborator fit`"
            raise DataError(problem) from None
