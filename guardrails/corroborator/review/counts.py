"""What the index has counted day by day, by version, language, family and measure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from sqlalchemy import ColumnElement, func, select

from corroborator.audit import AuditLog
from corroborator.review.facts import EVENT, LATENCIES, UNKNOWN
from corroborator.review.tables import tallies

POINTS = 31
"""A chart has at most so many points; longer periods are gathered by week or month."""


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
    def events(self) -> Counter[str]:
        """Kind -> count, of the events of the log that belong to no turn."""
        of_log = self.of(Slice(UNKNOWN, UNKNOWN))
        kinds = {m.removeprefix(EVENT): n for m, n in of_log.items() if m.startswith(EVENT)}
        return Counter(kinds)

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
    """Return the first day of which there are turns."""
    return _day(log, tallies.c.day)


def last_day(log: AuditLog) -> date | None:
    """Return the last day of which there are turns."""
    return _day(log, tallies.c.day.desc())


def _day(log: AuditLog, order: ColumnElement[str]) -> date | None:
    wanted = select(tallies.c.day).where(tallies.c.measure == "turns").order_by(order).limit(1)
    day = log.store.read(lambda connection: connection.scalar(wanted))
    return None if day is None else date.fromisoformat(day)


def latency(counts: Mapping[str, int], quantile: float) -> float | None:
    """Return the upper end of the bin that holds a quantile, in ms; infinite for the last one."""
    slots = [counts.get(f"latency:{slot}", 0) for slot in range(len(LATENCIES) + 1)]
    wanted, seen = quantile * sum(slots), 0
    for slot, count in enumerate(slots):
        seen += count
        if count and seen >= wanted:
            return float(LATENCIES[slot]) if slot < len(LATENCIES) else float("inf")
    return None
