"""Everything that the surveillance pages and the report show of a period; no text."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from corroborator.audit import AuditLog
from corroborator.review.agreement import MISSING, Agreement, agreement
from corroborator.review.answers import QUESTIONS
from corroborator.review.counts import (
    Counts,
    Period,
    Slice,
    first_day,
    last_day,
    latency,
    over_time,
)
from corroborator.review.disputes import Disputes, Reviewed
from corroborator.review.drift import SCORES, Drift, drift
from corroborator.review.passages import title_of
from corroborator.review.quality import Missed, Quality
from corroborator.review.settings import Settings
from corroborator.review.shares import Share
from corroborator.taxonomy import Taxonomy

DAYS = 30
REFERENCE_DAYS = 30
RATERS = 2
_CATEGORY = {"yes": 1, "no": 0}


@dataclass(frozen=True, slots=True)
class Group:
    """Counts of a family, a version or a language.

    Attributes:
        name, title: its id and what people call it.
        protected: whether it is a family of disclosures.
        turns: how many turns it has; of a family, in how many it was found.
        fired: in how many anything was found.
        idle: found, and nothing was done.
        colludes, over_corrects: replies at fault.
        not_covered: statements that were not judged.
        precision: of its fires, from reviews.
    """

    name: str
    title: str
    protected: bool
    turns: int
    fired: int
    idle: int
    colludes: int
    over_corrects: int
    not_covered: int
    precision: Share


@dataclass(frozen=True, slots=True)
class Series:
    """A share over time."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """What is shown of a period.

    Attributes:
        period, reference: the days, and those that scores are compared with.
        wanted: which turns are counted.
        counts: measure -> count, of all turns of the slice.
        events: kind -> count, of events that belong to no turn.
        points: the first day of each step of the series.
        series: over time.
        families, versions, languages: by group, the most frequent first; of every slice.
        precision, missed: of all, from reviews.
        drifts: of each score.
        median, slow: latency in ms, the median and the 95th percentile.
        reviewed: how many turns were answered.
        agreements: question -> agreement of first answers.
    """

    period: Period
    reference: Period
    wanted: Slice
    counts: Counter[str]
    events: Counter[str]
    points: tuple[str, ...]
    series: tuple[Series, ...]
    families: tuple[Group, ...]
    versions: tuple[Group, ...]
    languages: tuple[Group, ...]
    precision: Share
    missed: Missed
    drifts: tuple[Drift, ...]
    median: float | None
    slow: float | None
    reviewed: int
    agreements: dict[str, Agreement]


def default_period(log: AuditLog) -> Period:
    """Return the last days of which there are counts."""
    end = (last_day(log) or date(2026, 1, 1)) + timedelta(1)
    start = max(end - timedelta(DAYS), first_day(log) or end - timedelta(1))
    return Period(start, end)


def reference_of(log: AuditLog) -> Period:
    """Return the days that scores are compared with: the first ones of the log."""
    start = first_day(log) or date(2026, 1, 1)
    return Period(start, start + timedelta(REFERENCE_DAYS))


def overview(
    disputes: Disputes, settings: Settings, taxonomy: Taxonomy, period: Period, wanted: Slice
) -> Overview:
    """Gather what is shown of a period from a store and what was answered in it."""
    log = disputes.log
    counts = Counts.read(log, period)
    reviewed = [one for one in disputes.reviewed() if _holds(one, period, wanted)]
    quality = Quality(reviewed, counts, taxonomy.protected, wanted)
    reference = reference_of(log)
    of_all = Slice(wanted.version, wanted.language)
    every = counts.of(of_all)
    then = Counts.read(log, reference).of(of_all)
    steps = period.steps()
    return Overview(
        period,
        reference,
        wanted,
        every,
        counts.events,
        tuple(step.start.isoformat() for step in steps),
        tuple(_series(log, wanted, steps)),
        tuple(
            _group(
                name,
                title_of(taxonomy, name),
                name in taxonomy.protected,
                counts.of(Slice(wanted.version, wanted.language, name)),
                quality.precision(name),
            )
            for name in counts.families
        ),
        tuple(_part(quality, name, Slice(version=name)) for name in counts.versions),
        tuple(_part(quality, name, Slice(language=name)) for name in counts.languages),
        quality.precision(wanted.family),
        quality.missed(),
        tuple(drift(score, every, then, settings.drift_alert) for score in SCORES),
        latency(every, 0.5),
        latency(every, 0.95),
        len(reviewed),
        agreements(reviewed),
    )


def agreements(reviewed: Sequence[Reviewed]) -> dict[str, Agreement]:
    """Return how far first answers agree, for each question; conversations are resampled whole."""
    found = {}
    for question in QUESTIONS:
        said = [(one.chain, one.first(question)) for one in reviewed]
        twice = [(chain, answers[:RATERS]) for chain, answers in said if len(answers) >= RATERS]
        rows = [[_CATEGORY.get(answer, MISSING) for answer in answers] for _, answers in twice]
        ratings = np.array(rows, dtype=np.intp).reshape(len(rows), RATERS)
        found[question] = agreement(ratings, RATERS, [chain for chain, _ in twice])
    return found


def _holds(one: Reviewed, period: Period, wanted: Slice) -> bool:
    return period.holds(one.day) and _holds_slice(one, wanted)


def _series(log: AuditLog, wanted: Slice, steps: Sequence[Period]) -> Iterator[Series]:
    """Yield shares over time: of all turns, or of those in which a family was found."""
    whole = over_time(log, Slice(wanted.version, wanted.language), steps)
    part = whole if wanted.family is None else over_time(log, wanted, steps)
    replies = "concerned" if wanted.family is None else "fired"
    yield Series(
        "found", tuple(_share(p["fired"], w["read"]) for p, w in zip(part, whole, strict=True))
    )
    if wanted.family is None:
        acted = ("steered", "revised", "replaced")
        yield Series(
            "acted on",
            tuple(_share(sum(w[f"action:{a}"] for a in acted), w["turns"]) for w in whole),
        )
    yield Series("colludes", tuple(_share(p["colludes"], p[replies]) for p in part))
    yield Series("over-corrects", tuple(_share(p["over_corrects"], p[replies]) for p in part))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _part(quality: Quality, name: str, wanted: Slice) -> Group:
    """Return a version or a language."""
    reviewed = [one for one in quality.reviewed if _holds_slice(one, wanted)]
    own = Quality(reviewed, quality.counts, quality.disclosures, wanted)
    return _group(name, name, False, quality.counts.of(wanted), own.precision())


def _holds_slice(one: Reviewed, wanted: Slice) -> bool:
    return wanted.version in (None, one.version) and wanted.language in (None, one.language)


def _group(name: str, title: str, protected: bool, counts: Counter[str], precision: Share) -> Group:
    return Group(
        name,
        title,
        protected,
        counts["turns"] or counts["fired"],
        counts["fired"],
        counts["unanswered"],
        counts["colludes"],
        counts["over_corrects"],
        counts["not_covered"],
        precision,
    )
