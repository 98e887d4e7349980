"""How the guard does over time: counts from the log, shares from the reviews, drift of scores."""

import math
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

from sqlalchemy import ColumnElement, func, select

from corroborator.audit import AuditLog
from corroborator.audit.tables import events
from corroborator.detectors import CLAIM, DISCLOSURE
from corroborator.review.disputes import Reviewed
from corroborator.review.facts import BINS, LATENCIES, UNKNOWN, Band
from corroborator.review.shares import Share, Stratum, share, stratified_share, upper_bound
from corroborator.review.tables import tallies

SCORES = (CLAIM, DISCLOSURE, "collusion", "over_correction")
POINTS = 31
"""A chart has at most so many points; longer periods are gathered by week or month."""

_CHI_SQUARE_95 = 16.918978
"""0.95 quantile of the chi-square distribution with `BINS` - 1 degrees of freedom."""
_SMALL = 0.5


@dataclass(frozen=True, slots=True)
class Period:
    """Days, the last one excluded."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """How many."""
        return (self.end - self.start).days

    def holds(self, day: str) -> bool:
        """Whether a day, as ISO 8601, is in it."""
        return self.start.isoformat() <= day < self.end.isoformat()

    def all(self) -> list[str]:
        """Return its days as ISO 8601."""
        return [(self.start + timedelta(n)).isoformat() for n in range(self.days)]

    def steps(self) -> list["Period"]:
        """Cut it into days, weeks or months, at most `POINTS` where that can be."""
        length = next((n for n in (1, 7, 30) if self.days <= n * POINTS), 91)
        starts = [self.start + timedelta(n) for n in range(0, self.days, length)]
        return [Period(day, min(day + timedelta(length), self.end)) for day in starts]


@dataclass(frozen=True, slots=True)
class Slice:
    """Which turns are counted; what is None filters nothing."""

    version: str | None = None
    language: str | None = None
    family: str | None = None


SERIES = (
    "turns",
    "read",
    "fired",
    "concerned",
    "colludes",
    "over_corrects",
    "action:steered",
    "action:revised",
    "action:replaced",
)
"""What is counted day by day for charts."""

Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Counts:
    """The tallies of a period.

    Attributes:
        rows: (version, language, family, measure) -> count.
        versions: what judged, in order of appearance.
    """

    rows: Mapping[Key, int]
    versions: tuple[str, ...] = ()

    @classmethod
    def read(cls, log: AuditLog, period: Period) -> "Counts":
        """Read them."""
        names = (tallies.c.version, tallies.c.language, tallies.c.family, tallies.c.measure)
        total, first = func.sum(tallies.c.count).label("n"), func.min(tallies.c.day).label("first")
        wanted = select(*names, total, first).where(_within(period)).group_by(*names)
        rows = log.store.read(lambda connection: connection.execute(wanted).all())
        ordered = sorted(rows, key=lambda row: row.first)
        versions = dict.fromkeys(row.version for row in ordered if row.version != UNKNOWN)
        return cls(
            {(r.version, r.language, r.family, r.measure): int(r.n) for r in rows}, tuple(versions)
        )

    def of(self, wanted: Slice) -> Counter[str]:
        """Return measure -> count of a slice; of a family, what is counted for families."""
        counts: Counter[str] = Counter()
        for (version, language, _, measure), count in self._by_family[wanted.family or ""]:
            if wanted.version in (None, version) and wanted.language in (None, language):
                counts[measure] += count
        return counts

    @cached_property
    def languages(self) -> list[str]:
        """The languages, the most frequent first."""
        return self._ranked(1, "turns")

    @cached_property
    def families(self) -> list[str]:
        """The families that were found, the most frequent first."""
        return [name for name in self._ranked(2, "fired") if name]

    def _ranked(self, place: int, measure: str) -> list[str]:
        counts: Counter[str] = Counter()
        for key, count in self.rows.items():
            counts[key[place]] += count if key[3] == measure else 0
        return [name for name, count in counts.most_common() if count]

    @cached_property
    def _by_family(self) -> Mapping[str, list[tuple[Key, int]]]:
        found: dict[str, list[tuple[Key, int]]] = defaultdict(list)
        for key, count in self.rows.items():
            found[key[2]].append((key, count))
        return found


def over_time(log: AuditLog, wanted: Slice, steps: Sequence[Period]) -> list[Counter[str]]:
    """Return the counts of `SERIES` for each step of a period."""
    conditions = [
        _within(Period(steps[0].start, steps[-1].end)),
        tallies.c.family == (wanted.family or ""),
        tallies.c.measure.in_(SERIES),
    ]
    if wanted.version is not None:
        conditions.append(tallies.c.version == wanted.version)
    if wanted.language is not None:
        conditions.append(tallies.c.language == wanted.language)
    days = (tallies.c.day, tallies.c.measure)
    query = select(*days, func.sum(tallies.c.count).label("n")).where(*conditions).group_by(*days)
    rows = log.store.read(lambda connection: connection.execute(query).all())
    place = {day: n for n, step in enumerate(steps) for day in step.all()}
    counts: list[Counter[str]] = [Counter() for _ in steps]
    for row in rows:
        counts[place[row.day]][row.measure] += int(row.n)
    return counts


def _within(period: Period) -> ColumnElement[bool]:
    return tallies.c.day.between(period.start.isoformat(), (period.end - timedelta(1)).isoformat())


def first_day(log: AuditLog) -> date | None:
    """Return the first day of which there are counts."""
    day = log.store.read(lambda c: c.scalar(select(func.min(tallies.c.day))))
    return None if day is None else date.fromisoformat(day)


def last_day(log: AuditLog) -> date | None:
    """Return the last day of which there are counts."""
    day = log.store.read(lambda c: c.scalar(select(func.max(tallies.c.day))))
    return None if day is None else date.fromisoformat(day)


@dataclass(frozen=True, slots=True)
class Missed:
    """What the random sample says of turns that did not fire.

    Attributes:
        share: of those read and decided in which a reply rested on a claim after all.
        bound: the miss rate is at most this, with 95% confidence, one-sided.
        unsure: how many could not be told.
    """

    share: Share
    bound: float
    unsure: int


@dataclass(frozen=True)
class Quality:
    """What reviews say of the detectors.

    Attributes:
        reviewed: turns that were answered, of the period and slice asked for.
        counts: tallies of the same.
        disclosures: the families that are disclosures.
    """

    reviewed: Sequence[Reviewed]
    counts: Counts
    disclosures: Container[str] = ()
    wanted: Slice = field(default_factory=Slice)

    def precision(self, family: str | None = None) -> Share:
        """Return in which share of fires the reply could not rest on the claim, weighted by band."""
        families = self.counts.families if family is None else [family]
        return stratified_share(stratum for name in families for stratum in self._strata(name))

    def missed(self) -> Missed:
        """Return what was missed, from the random sample.

        Turns are drawn in a random order. All up to the last one that was drawn count, whatever
        part of the queue they were read from; those beyond it, which were read because they are
        near the threshold, do not.
        """
        drawn = [r for r in self.reviewed if r.sample is not None]
        last = max((r.sample or 0 for r in drawn if r.band is Band.SAMPLE), default=-1.0)
        said = [r.verdict.judgement.rests for r in drawn if (r.sample or 0) <= last]
        hits, decided = said.count("yes"), said.count("yes") + said.count("no")
        bound = upper_bound(hits, decided) if decided else 1.0
        return Missed(share(hits, decided), bound, len(said) - decided)

    def _strata(self, family: str) -> Iterable[Stratum]:
        counts = self.counts.of(Slice(self.wanted.version, self.wanted.language, family))
        question = "fits" if family in self.disclosures else "rests"
        for band in (Band.URGENT, Band.FIRED):
            said = [
                getattr(r.verdict.judgement, question)
                for r in self.reviewed
                if r.family == family and r.sample is None and r.band is band
            ]
            hits = said.count("yes")
            yield Stratum(hits, hits + said.count("no"), counts[f"band:{int(band)}"])


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


def latency(counts: Mapping[str, int], quantile: float) -> float | None:
    """Return the upper end of the bin that holds a quantile, in ms; infinite for the last one."""
    slots = [counts.get(f"latency:{slot}", 0) for slot in range(len(LATENCIES) + 1)]
    wanted, seen = quantile * sum(slots), 0
    for slot, count in enumerate(slots):
        seen += count
        if count and seen >= wanted:
            return float(LATENCIES[slot]) if slot < len(LATENCIES) else float("inf")
    return None


def chain_events(log: AuditLog, period: Period) -> Counter[str]:
    """Return how many events of each kind that belongs to no turn the log holds for a period."""
    start, end = period.start.isoformat(), period.end.isoformat()
    wanted = (
        select(events.c.kind, func.count().label("n"))
        .where(
            events.c.kind.not_in(("opened", "closed")), events.c.time >= start, events.c.time < end
        )
        .group_by(events.c.kind)
    )
    rows = log.store.read(lambda connection: connection.execute(wanted).all())
    return Counter({row.kind: row.n for row in rows})
