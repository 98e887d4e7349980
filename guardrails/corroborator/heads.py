"""Fitted linear heads: a vector in, a calibrated probability for each family out."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from corroborator.archives import opened

Floats = NDArray[np.float64]

TINY = 1e-9


def sigmoid(logits: Floats) -> Floats:
    """Return the logistic function, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), dtype=np.float64)


def log_odds(probability: Floats) -> Floats:
    """Return the inverse of `sigmoid`; probabilities of 0 and 1 stay finite."""
    inner = np.clip(probability, TINY, 1 - TINY)
    return np.asarray(np.log(inner) - np.log1p(-inner), dtype=np.float64)


def pooled(scores: Floats) -> float:
    """Return the score of a whole from those of its parts: three quarters highest, one mean.

    One yielding sentence counts, and a long reply is not at fault for its length alone.
    """
    return float(0.75 * scores.max() + 0.25 * scores.mean())


@dataclass(frozen=True, slots=True)
class Gate:
    """A sum of classes with a calibration and a threshold.

    Attributes:
        families: the classes that it sums.
        slope, offset: Platt calibration: ``log odds = slope * raw log odds + offset``.
        threshold: calibrated probability from which it counts.
    """

    families: tuple[str, ...]
    slope: float
    offset: float
    threshold: float


@dataclass(frozen=True)
class Heads:
    """One softmax over all that a text can be; gates say whether, their families which.

    A gate, such as ``claim``, is the sum of its families, calibrated; a family has the gate's
    calibrated probability times its share of the sum. Classes of no gate are near misses and
    ordinary texts: what the families are told apart from.

    Attributes:
        classes: in the order of the rows of the weights.
        weights: shape (classes, features).
        biases: shape (classes,).
        gates: by name.
    """

    classes: tuple[str, ...]
    weights: NDArray[np.float32]
    biases: Floats
    gates: Mapping[str, Gate]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns of `scores`: each gate, followed by its families."""
        return tuple(n for name, gate in self.gates.items() for n in (name, *gate.families))

    @cached_property
    def thresholds(self) -> Mapping[str, float]:
        """The threshold of each gate; a family has its gate's."""
        return {
            n: gate.threshold for name, gate in self.gates.items() for n in (name, *gate.families)
        }

    def scores(self, features: NDArray[np.float32]) -> Floats:
        """Return calibrated log odds, shape (rows, names), for features (rows, features)."""
        shares = self._shares(features)
        columns: list[Floats] = []
        for gate in self.gates.values():
            families = shares[:, [self.classes.index(name) for name in gate.families]]
            whole = families.sum(axis=1)
            calibrated = gate.slope * log_odds(whole) + gate.offset
            within = families / np.maximum(whole, TINY)[:, None]
            columns.append(calibrated)
            columns += list(log_odds(sigmoid(calibrated)[:, None] * within).T)
        return np.stack(columns, axis=1)

    def raw(self, features: NDArray[np.float32], gate: str) -> Floats:
        """Return the uncalibrated log odds of a gate, shape (rows,)."""
        wanted = [self.classes.index(name) for name in self.gates[gate].families]
        return log_odds(self._shares(features)[:, wanted].sum(axis=1))

    def column(self, name: str) -> int:
        """Return the column of a gate or family."""
        return self.names.index(name)

    def columns(self, names: Sequence[str]) -> NDArray[np.intp]:
        """Return the columns of several gates or families."""
        return np.array([self.names.index(name) for name in names], dtype=np.intp)

    def _shares(self, features: NDArray[np.float32]) -> Floats:
        logits = features.astype(np.float64) @ self.weights.T.astype(np.float64) + self.biases
        shares = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float64)

    def to_bytes(self) -> bytes:
        """Return the heads as a NumPy archive, the same bytes for the same heads."""
        buffer = io.BytesIO()
        gates = {name: asdict(gate) for name, gate in self.gates.items()}
        np.savez(
            buffer,
            classes=np.array(self.classes),
            weights=self.weights,
            biases=self.biases,
            gates=np.array(json.dumps(gates)),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            DataError: the content is no such archive.
        """
        with opened(content, "these heads", "run `corroborator fit`") as stored:
            gates = json.loads(str(stored["gates"]))
            return cls(
                tuple(str(name) for name in stored["classes"]),
                stored["weights"],
                stored["biases"],
                {
                    name: Gate(**{**gate, "families": tuple(gate["families"])})
                    for name, gate in gates.items()
                },
            )
