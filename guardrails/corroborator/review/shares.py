"""Shares with 95% intervals: precision, miss rate, and what a number of reviews can bound."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.special import betaincinv

_Z = 1.959963984540054
_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Share:
    """A share of what was reviewed.

    Attributes:
        hits, reviewed: counts.
        value: in [0, 1]; None where nothing was reviewed.
        low, high: 95% interval; [0, 1] where nothing was reviewed.
    """

    hits: int
    reviewed: int
    value: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Stratum:
    """Reviews of one stratum.

    Attributes:
        hits, reviewed: counts.
        size: how many turns the stratum has in all.
    """

    hits: int
    reviewed: int
    size: int


def share(hits: int, reviewed: int) -> Share:
    """Return a share with Wilson's score interval (Wilson EB, J Am Stat Assoc 1927;22:209-12)."""
    if not reviewed:
        return Share(hits, reviewed, None, 0.0, 1.0)
    low, high = _wilson(hits / reviewed, reviewed)
    return Share(hits, reviewed, hits / reviewed, low, high)


def stratified_share(strata: Iterable[Stratum]) -> Share:
    """Return the share over strata of which unequal parts were reviewed, weighted by their size.

    The interval is Wilson's for the number of simple reviews that would have the same variance
    (Korn EL, Graubard BI, Surv Methodol 1998;24:193-201, use it alike). Strata without a review
    are left out.
    """
    known = [stratum for stratum in strata if stratum.reviewed and stratum.size]
    size = sum(stratum.size for stratum in known)
    hits, reviewed = sum(s.hits for s in known), sum(s.reviewed for s in known)
    if not size:
        return Share(0, 0, None, 0.0, 1.0)
    value = sum(s.size / size * s.hits / s.reviewed for s in known)
    smooth = [(s.size / size, (s.hits + 1) / (s.reviewed + 2), s.reviewed) for s in known]
    middle = sum(weight * p for weight, p, _ in smooth)
    variance = sum(weight**2 * p * (1 - p) / n for weight, p, n in smooth)
    low, high = _wilson(value, min(reviewed, middle * (1 - middle) / variance))
    return Share(hits, reviewed, value, low, high)


def upper_bound(hits: int, reviewed: int) -> float:
    """Return the share that is exceeded with 95% confidence by no true share (one-sided, exact).

    Clopper CJ, Pearson ES, Biometrika 1934;26:404-13.

    No hit in 299 reviews bounds it at 1%, in 598 at 0.5%, in 2,995 at 0.1%.
    """
    if hits >= reviewed:
        return 1.0
    return float(betaincinv(hits + 1, reviewed - hits, 1 - _ALPHA))


def _wilson(value: float, reviewed: float) -> tuple[float, float]:
    spread = _Z**2 / reviewed
    middle = (value + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(value * (1 - value) / reviewed + spread / (4 * reviewed))
    return max(0.0, middle - half), min(1.0, middle + half)
