"""A report: Markdown for the page, and charts by file name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from corroborator.evaluation.markdown import figure, ranged
from corroborator.evaluation.metrics import Flags, auroc_of, interval, share
from corroborator.evaluation.svg import Bar
from corroborator.heads import Floats

RATE = 0.01


@dataclass(frozen=True)
class Report:
    """What an evaluation says.

    Attributes:
        markdown: tables and notes.
        charts: file name -> SVG.
    """

    markdown: str
    charts: Mapping[str, str] = field(default_factory=dict)

    def write_charts(self, folder: Path) -> None:
        """Write the charts into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, drawn in self.charts.items():
            (folder / name).write_text(drawn, "utf-8")


def share_with_interval(hits: Flags, units: Sequence[str], rows: Flags | None = None) -> str:
    """Write the share of hits among some rows, with an interval resampled by group."""
    hits, units = _chosen(hits, units, rows)
    if not len(hits):
        return "-"
    return ranged(share(hits), interval(lambda w: share(hits, w), units), len(hits))


def bar(name: str, hits: Flags, units: Sequence[str], rows: Flags) -> Bar:
    """Return a share as a bar of a chart."""
    hits, units = _chosen(hits, units, rows)
    return Bar(name, share(hits), interval(lambda w: share(hits, w), units), len(hits))


def auroc_with_interval(
    scores: Floats, positive: Flags, units: Sequence[str], weights: Floats | None = None
) -> str:
    """Write an AUROC with an interval resampled by group."""
    if not positive.any() or positive.all():
        return "-"
    measure = auroc_of(scores, positive)
    fixed = np.ones(len(scores)) if weights is None else weights
    smaller = int(min(positive.sum(), (~positive).sum()))
    return ranged(measure(fixed), interval(lambda w: measure(w * fixed), units), smaller)


def plain_share(hits: Flags, rows: Flags) -> str:
    """Write the share of hits among some rows, marked where they are few."""
    return figure(share(hits[rows]), int(rows.sum()))


def _chosen(hits: Flags, units: Sequence[str], rows: Flags | None) -> tuple[Flags, Sequence[str]]:
    if rows is None:
        return hits, units
    return hits[rows], [units[int(place)] for place in np.flatnonzero(rows)]
