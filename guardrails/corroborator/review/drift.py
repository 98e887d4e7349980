"""How far scores have moved from those of a reference period."""

import math
from collections import Counter
from dataclasses import dataclass

from corroborator.detectors import CLAIM, DISCLOSURE
from corroborator.review.facts import BINS

SCORES = (CLAIM, DISCLOSURE, "collusion", "over_correction")

_CHI_SQUARE_95 = 16.918978
"""0.95 quantile of the chi-square distribution with `BINS` - 1 degrees of freedom."""
_SMALL = 0.5


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a score has moved from the reference period.

    Attributes:
        score: which.
        index: population stability index over tenths; None where there is too little.
        limit: below this it may be chance (95%).
        turns, reference: how many were compared.
        alert: whether it is worth a look: above chance and above the limit of the settings.
        now, then: shares of the tenths.
    """

    score: str
    index: float | None
    limit: float
    turns: int
    reference: int
    alert: bool
    now: tuple[float, ...]
    then: tuple[float, ...]


def drift(score: str, now: Counter[str], then: Counter[str], alert: float) -> Drift:
    """Compare the tenths of a score.

    Where nothing has moved the index is distributed as chi-square with `BINS` - 1 degrees of
    freedom, times the sum of the reciprocals of both sizes (Yurdakul B, Naranjo J, J Risk Model
    Valid 2020;14(4)).
    """
    counts = [[c[f"{score}:{slot}"] for slot in range(BINS)] for c in (now, then)]
    n, m = sum(counts[0]), sum(counts[1])
    p, q = ([(c + _SMALL) / (sum(row) + _SMALL * BINS) for c in row] for row in counts)
    limit = _CHI_SQUARE_95 * (1 / n + 1 / m) if n and m else 1.0
    index = sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True)) if n and m else None
    return Drift(
        score,
        index,
        limit,
        n,
        m,
        index is not None and index > max(alert, limit),
        tuple(p),
        tuple(q),
    )
