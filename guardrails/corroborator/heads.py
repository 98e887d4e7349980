"""Fitted linear heads: a vector in, a calibrated probability for each family out."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from corroborator.errors import DataError

Floats = NDArray[np.float64]


def sigmoid(logits: Floats) -> Floats:
    """Return the logistic function, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), dtype=np.float64)


def log_odds(probability: Floats) -> Floats:
    """Return the inverse of `sigmoid`; probabilities of 0 and 1 stay finite."""
    inner = np.clip(probability, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(inner) - np.log1p(-inner), dtype=np.float64)


@dataclass(frozen=True)
class Heads:
    """A stack of linear heads: gates that say whether, and families that say which.

    A gate is a logistic head with a Platt calibration. The families of a gate share its probability
    among them by a softmax: the probability of a family is that of its gate times its share.

    Attributes:
        names: of the heads, in the order of the columns.
        gates: for each head the gate that it is a family of, or "" where it is a gate itself.
        weights: shape (heads, features).
        biases: shape (heads,).
        slopes, offsets: calibration of the gates: ``log odds = slope * score + offset``.
        thresholds: head -> calibrated probability from which it counts; a family has its gate's.
    """

    names: tuple[str, ...]
    gates: tuple[str, ...]
    weights: NDArray[np.float32]
    biases: Floats
    slopes: Floats
    offsets: Floats
    thresholds: Mapping[str, float]

    def scores(self, features: NDArray[np.float32]) -> Floats:
        """Return calibrated log odds, shape (rows, heads), for features (rows, features)."""
        raw = features.astype(np.float64) @ self.weights.T.astype(np.float64) + self.biases
        scores = raw * self.slopes + self.offsets
        for gate in dict.fromkeys(filter(None, self.gates)):
            families = np.flatnonzero([name == gate for name in self.gates])
            share = np.exp(raw[:, families] - raw[:, families].max(axis=1, keepdims=True))
            share /= share.sum(axis=1, keepdims=True)
            whole = sigmoid(scores[:, [self.column(gate)]])
            scores[:, families] = log_odds(whole * share)
        return np.asarray(scores, dtype=np.float64)

    def column(self, name: str) -> int:
        """Return the column of a head."""
        return self.names.index(name)

    def columns(self, names: Sequence[str]) -> NDArray[np.intp]:
        """Return the columns of several heads."""
        return np.array([self.names.index(name) for name in names], dtype=np.intp)

    def families(self, gate: str) -> tuple[str, ...]:
        """Return the families of a gate."""
        return tuple(n for n, g in zip(self.names, self.gates, strict=True) if g == gate)

    def to_bytes(self) -> bytes:
        """Return the heads as a NumPy archive, the same bytes for the same heads."""
        buffer = io.BytesIO()
        np.savez(
            buffer,
            names=np.array(self.names),
            gates=np.array(self.gates),
            weights=self.weights,
            biases=self.biases,
            slopes=self.slopes,
            offsets=self.offsets,
            threshold_names=np.array(list(self.thresholds)),
            thresholds=np.array(list(self.thresholds.values())),
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
                limits = zip(stored["threshold_names"], stored["thresholds"], strict=True)
                return cls(
                    tuple(str(name) for name in stored["names"]),
                    tuple(str(gate) for gate in stored["gates"]),
                    stored["weights"],
                    stored["biases"],
                    stored["slopes"],
                    stored["offsets"],
                    {str(name): float(limit) for name, limit in limits},
                )
        except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
            problem = f"these heads cannot be read ({type(error).__name__}); run `corroborator fit`"
            raise DataError(problem) from None
