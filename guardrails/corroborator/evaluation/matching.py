"""Ordinary turns weighted so that they are as long, and speak of oneself as much, as the claims."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from corroborator.evaluation.metrics import Flags
from corroborator.evaluation.settings import load_settings
from corroborator.heads import Floats

LENGTHS = (6, 11, 16, 26, 41, 71)
"""Numbers of words at which a new class of length begins."""

_WORD = re.compile(r"[\w']+")


@dataclass(frozen=True)
class Matching:
    """Weights of ordinary turns.

    Attributes:
        weights: of all rows; 0 for those that are not ordinary.
        covered: claims that have ordinary turns like them.
        effective: how many ordinary turns of equal weight the weights are worth.
    """

    weights: Floats
    covered: Flags
    effective: float


def matched(texts: Sequence[str], claims: Flags, ordinary: Flags) -> Matching:
    """Weight ordinary turns by length and first person as the claims are distributed."""
    strata = np.array([_stratum(text) for text in texts], dtype=np.intp)
    count = 2 * (len(LENGTHS) + 1)
    wanted = np.bincount(strata[claims], minlength=count)
    there = np.bincount(strata[ordinary], minlength=count)
    each = np.where(there > 0, wanted / np.maximum(there, 1), 0.0)
    weights = np.where(ordinary, each[strata], 0.0)
    total = weights.sum()
    effective = float(total**2 / (weights**2).sum()) if total else 0.0
    return Matching(weights, claims & (there[strata] > 0), effective)


def _stratum(text: str) -> int:
    words = _WORD.findall(text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    own = bool(set(load_settings().first_person) & set(words))
    return 2 * int(np.searchsorted(LENGTHS, len(words), side="right")) + own
