"""The periodic report: one self-contained page and one table, without text."""

import csv
from dataclasses import asdict
from datetime import timedelta
from importlib.resources import files
from io import StringIO

from corroborator.review.charts import Line, bars, interval, line_chart
from corroborator.review.counts import Period, Slice
from corroborator.review.disputes import Disputes
from corroborator.review.overview import Group, Overview, overview
from corroborator.review.settings import load_settings
from corroborator.review.web import render
from corroborator.taxonomy import load_taxonomy
from corroborator.version import __version__

_COUNTS = (
    "turns",
    "fired",
    "disclosed",
    "unanswered",
    "concerned",
    "colludes",
    "over_corrects",
    "drafts_back",
    "action:replaced",
    "referrals",
    "statements",
    "not_covered",
    "unread",
    "errors",
)


def gather(disputes: Disputes, period: Period) -> Overview:
    """Gather what the report shows."""
    return overview(disputes, load_settings(), load_taxonomy(), period, Slice())


def as_page(shown: Overview) -> str:
    """Return the report as one HTML page that loads nothing."""
    style = files("corroborator.review").joinpath("static", "desk.css").read_text("utf-8")
    return render(
        "report.html",
        shown=shown,
        style=style,
        chart=line_chart(
            "Shares over time", shown.points, [Line(s.name, s.values) for s in shown.series]
        ),
        interval=interval,
        bars=bars,
        goal=load_settings().sample_goal,
        last=shown.period.end - timedelta(1),
        agreements=shown.agreements,
        clinical_review=load_taxonomy().clinical_review,
        package=__version__,
    )


def as_table(shown: Overview) -> str:
    """Return the report as CSV: one row a number, with its interval where it has one."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("part", "group", "measure", "value", "low", "high", "n"))
    for name in _COUNTS:
        writer.writerow(("all", "", name.replace("action:", ""), shown.counts[name], "", "", ""))
    for kind, count in sorted(shown.events.items()):
        writer.writerow(("log", "", kind, count, "", "", ""))
    for name, found in (("precision", shown.precision), ("missed", shown.missed.share)):
        writer.writerow(("reviews", "", name, *_share(asdict(found))))
    bound = shown.missed.bound
    writer.writerow(("reviews", "", "missed_at_most", bound, "", "", shown.missed.share.reviewed))
    parts: tuple[tuple[str, tuple[Group, ...]], ...] = (
        ("family", shown.families),
        ("version", shown.versions),
        ("language", shown.languages),
    )
    for part, groups in parts:
        for group in groups:
            for name in ("turns", "fired", "idle", "colludes", "over_corrects", "not_covered"):
                writer.writerow((part, group.name, name, getattr(group, name), "", "", ""))
            writer.writerow((part, group.name, "precision", *_share(asdict(group.precision))))
    for moved in shown.drifts:
        index = "" if moved.index is None else moved.index
        writer.writerow(("drift", moved.score, "index", index, "", moved.limit, moved.turns))
    for question, agreed in shown.agreements.items():
        for name, value in (("alpha", agreed.alpha), ("ac1", agreed.ac1)):
            row = (value.value, value.low, value.high)
            writer.writerow(
                ("agreement", question, name, *("" if v is None else v for v in row), agreed.units)
            )
    return out.getvalue()


def _share(found: dict[str, object]) -> tuple[object, ...]:
    value = "" if found["value"] is None else found["value"]
    return value, found["low"], found["high"], found["reviewed"]
