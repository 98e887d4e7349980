"""From exemplars to fitted heads: regularised logistic regression, calibrated out of fold.

The same vectors give the same bytes: the optimiser runs to a tight tolerance in double precision,
and what it returns is rounded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corroborator.detectors import CERTAINTY, CLAIM, DISCLOSURE
from corroborator.errors import ConfigError
from corroborator.exemplars import ORDINARY, Exemplar, ExemplarBank, Vectors
from corroborator.heads import Floats, Heads, shift_prior, sigmoid
from corroborator.taxonomy import Taxonomy

FOLDS = 5
STRENGTH = 1.0
"""Inverse regularisation of the heads (scikit-learn's C)."""

PRIOR = 0.3
"""The share of positives that calibrated probabilities assume, among turns on such topics."""

Labels = NDArray[np.bool_]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """What one head learns.

    Attributes:
        name: of the head.
        positive: which rows are positives.
        weight: how much each row counts; 0 leaves it out.
    """

    name: str
    positive: Labels
    weight: Weights


def statement_tasks(exemplars: Sequence[Exemplar], taxonomy: Taxonomy) -> list[Task]:
    """Return what the statement heads learn from a bank."""

    def rows(test: Callable[[Exemplar], bool]) -> Labels:
        return np.array([test(item) for item in exemplars], dtype=bool)

    positive = rows(lambda item: item.positive)
    disclosed = rows(lambda item: item.positive and item.family in taxonomy.protected)
    claimed = positive & ~disclosed
    elsewhere = rows(lambda item: item.tag == "claim_elsewhere")
    unnamed = rows(lambda item: item.tag == "protected")
    sure = rows(lambda item: item.positive and item.tag == "boosted_certainty")
    unsure = rows(
        lambda item: item.tag in ("vague_minimiser", "confirmation_question", "reality_testing")
    )
    tasks = [
        Task(CLAIM, claimed, np.where(elsewhere, 0.0, 1.0)),
        Task(DISCLOSURE, disclosed | unnamed, np.ones(len(exemplars))),
        Task(CERTAINTY, sure, np.where(sure | unsure, 1.0, 0.0)),
    ]
    for family in taxonomy.domains:
        own = rows(lambda item, family=family: item.positive and item.family == family)  # type: ignore[misc] # a default binds the loop's value
        tasks.append(Task(family, own, np.where(elsewhere, 0.0, 1.0)))
    for family in taxonomy.protected:
        own = rows(lambda item, family=family: item.positive and item.family == family)  # type: ignore[misc] # as above
        tasks.append(Task(family, own, np.where(unnamed | (disclosed & ~own), 0.0, 1.0)))
    return tasks


def fit_heads(
    vectors: Vectors, tasks: Sequence[Task], groups: Sequence[str], ordinary: Labels
) -> Heads:
    """Fit, calibrate and set thresholds.

    Args:
        vectors: features, shape (rows, features).
        tasks: one a head.
        groups: rows of one group fall into one fold: near repetitions must not be told apart.
        ordinary: rows that no head should fire on; thresholds are set on them.

    Raises:
        ConfigError: scikit-learn is missing, or a head has fewer than ten positives.
    """
    fitted = [_fit(vectors, task, groups, ordinary) for task in tasks]
    return Heads(
        tuple(task.name for task in tasks),
        np.array([f.weight for f in fitted], dtype=np.float32),
        np.array([f.bias for f in fitted]),
        np.array([f.slope for f in fitted]),
        np.array([f.offset for f in fitted]),
        {task.name: f.threshold for task, f in zip(tasks, fitted, strict=True)},
    )
