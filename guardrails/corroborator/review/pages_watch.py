"""Surveillance: charts, agreement, and what steering would have done."""

from collections import Counter
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response

from corroborator.review.charts import Line, bars, interval, line_chart
from corroborator.review.counts import Counts, Period, Slice
from corroborator.review.overview import agreements, default_period, overview
from corroborator.review.web import LeadReader, LeadSender, Refused, Visit, go

router = APIRouter()

LONGEST_DAYS = 3700
Chosen = Annotated[str | None, Query(max_length=200)]
Day = Annotated[date | None, Query()]


@router.get("/watch")
def watch(
    visit: LeadReader,
    start: Day = None,
    end: Day = None,
    family: Chosen = None,
    version: Chosen = None,
    language: Chosen = None,
) -> HTMLResponse:
    """Show how the guard does over time."""
    desk = visit.desk
    period = _period(visit, start, end)
    wanted = Slice(version or None, language or None, family or None)
    shown = overview(desk.disputes, desk.settings, desk.taxonomy, period, wanted)
    return visit.page(
        "watch.html",
        shown=shown,
        chart=line_chart(
            "Shares over time", shown.points, [Line(s.name, s.values) for s in shown.series]
        ),
        interval=interval,
        bars=bars,
        title_of=desk.teller.title,
        goal=desk.settings.sample_goal,
        last=shown.period.end - timedelta(1),
    )


@router.get("/agreement")
def agreement(visit: LeadReader) -> HTMLResponse:
    """Show how far reviewers agree, over all that was answered twice."""
    found = agreements(visit.desk.disputes.reviewed())
    return visit.page("agreement.html", agreements=found, interval=interval)


@router.get("/shadow")
def shadow(visit: LeadReader) -> HTMLResponse:
    """Show what steering would have done while nothing was done."""
    return _shadow_page(visit)


@router.post("/shadow")
def start_shadow(visit: LeadSender) -> Response:
    """Start to find out."""
    visit.desk.shadow()
    return go("/shadow")


@router.get("/shadow/part")
def shadow_part(visit: LeadReader) -> HTMLResponse:
    """Show how far that is; the page asks every second."""
    return _shadow_page(visit, part=True)


def _period(visit: Visit, start: date | None, end: date | None) -> Period:
    chosen = default_period(visit.desk.log)
    period = Period(start or chosen.start, end + timedelta(1) if end else chosen.end)
    if not 0 < period.days <= LONGEST_DAYS:
        raise Refused(400, "The first day must come before the last, within ten years.")
    return period


def _shadow_page(visit: Visit, *, part: bool = False) -> HTMLResponse:
    desk = visit.desk
    everything = Period(date(2000, 1, 1), date(2200, 1, 1))
    counts = Counts.read(desk.log, everything)
    idle = Counter({n: counts.of(Slice(family=n))["unanswered"] for n in counts.families})
    return visit.page(
        "shadow_part.html" if part else "shadow.html",
        turns=counts.of(Slice())["read"],
        idle_turns=counts.of(Slice())["unanswered"],
        idle={name: count for name, count in idle.most_common() if count},
        job=desk.shadows.find("shadow"),
        most=desk.settings.preview_turns,
        title_of=desk.teller.title,
    )
