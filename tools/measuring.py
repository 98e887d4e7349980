"""What `measure_statements.py` and `measure_replies.py` share: rows, thresholds, intervals, tables."""

import gzip
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

SMALL = 60
"""Cells under so many rows are a check and no finding; they are marked with an asterisk."""

NOTE = (
    f"\\* fewer than {SMALL} rows: a check, not a finding. Intervals are 95%, resampled by {{}}"
    " with the threshold held fixed."
)

RESAMPLES = 500
RATE = 0.01

Row = Mapping[str, Any]
R = TypeVar("R")


@dataclass(frozen=True)
class Scored(Generic[R]):
    """A labelled row and what was scored for it.

    Attributes:
        row: the label, of whatever type the table reads.
        group: rows that belong together are resampled together.
        score: probability in [0, 1].
        fired: the decision at the shipped threshold.
    """

    row: R
    group: str
    score: float
    fired: bool


def read_rows(path: Path) -> list[Row]:
    """Read JSON Lines, plain or gzipped."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write JSON Lines."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def joined(scores: Sequence[Row], labels: Sequence[Row]) -> list[Scored[Row]]:
    """Pair scores with labels by id.

    Raises:
        SystemExit: a labelled row has no score, or more than one.
    """
    by_id = {str(row["id"]): row for row in scores}
    missing = [row for row in labels if str(row["id"]) not in by_id]
    if missing or len(by_id) != len(scores):
        raise SystemExit(f"{len(missing)} labelled rows have no score; ids must be unique")
    return [
        Scored(
            row=label,
            group=f"{label.get('source')}/{label.get('group', label['id'])}",
            score=float(by_id[str(label["id"])]["score"]),
            fired=bool(by_id[str(label["id"])]["fired"]),
        )
        for label in labels
    ]


def threshold_at(rate: float, scores: Sequence[float]) -> float:
    """Return the lowest threshold that at most `rate` of these scores reach."""
    ordered = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    allowed = int(rate * len(ordered))
    return float(np.nextafter(ordered[allowed], np.inf)) if len(ordered) else 1.0


def share(rows: Sequence[Scored[R]], threshold: float | None = None) -> float:
    """Return the share of rows at or over a threshold; None takes the shipped decision."""
    if not rows:
        return float("nan")
    hits = [row.fired if threshold is None else row.score >= threshold for row in rows]
    return float(np.mean(hits))


def auroc(positives: Sequence[Scored[R]], negatives: Sequence[Scored[R]]) -> float:
    """Return the chance that a positive scores over a negative, ties counted half.

    It is not a number where a side is empty.
    """
    if not positives or not negatives:
        return float("nan")
    high = np.array([row.score for row in positives])
    low = np.sort([row.score for row in negatives])
    under, up_to = np.searchsorted(low, high, "left"), np.searchsorted(low, high, "right")
    return float(np.mean(under + up_to) / (2 * len(low)))


def interval(
    measure: Callable[[Sequence[Scored[R]]], float], rows: Sequence[Scored[R]], seed: int = 0
) -> tuple[float, float]:
    """Return a 95% interval of a measure, from resampled groups."""
    groups: dict[str, list[Scored[R]]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    members = list(groups.values())
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(RESAMPLES):
        chosen = random.integers(len(members), size=len(members))
        drawn.append(measure([row for index in chosen for row in members[index]]))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def with_interval(
    measure: Callable[[Sequence[Scored[R]]], float], rows: Sequence[Scored[R]]
) -> str:
    """Write a measure with its interval, as ``0.71 [0.66, 0.75]``."""
    if not rows:
        return "-"
    low, high = interval(measure, rows)
    return f"{measure(rows):.3f} [{low:.3f}, {high:.3f}]"


def cell(value: float, rows: int) -> str:
    """Write a figure, marked where it rests on few rows."""
    return "-" if np.isnan(value) else f"{value:.2f}" + ("*" if rows < SMALL else "")


def by(rows: Iterable[Scored[Row]], key: str) -> dict[str, list[Scored[Row]]]:
    """Sort rows by a label."""
    found: dict[str, list[Scored[Row]]] = {}
    for row in rows:
        found.setdefault(str(row.row.get(key)), []).append(row)
    return dict(sorted(found.items()))


def table(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Write a Markdown table."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in (header, rule, *lines)) + "\n"
