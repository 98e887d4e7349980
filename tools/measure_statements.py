"""Measure ``corroborator score statements`` against labels; prints Markdown.

::

    python tools/measure_statements.py rows LABELS... ROWS
    corroborator score statements ROWS SCORES
    python tools/measure_statements.py table SCORES LABELS...

A label is a line of JSON Lines (plain or gzipped): ``id``, ``text``, ``source``, ``group`` (the
document that it was cut from), ``trigger`` (0 or 1), ``category`` (of a trigger), ``neg_kind`` (of a
hard negative; null for an ordinary turn) and ``borderline``. No text is printed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from measuring import (
    NOTE,
    RATE,
    Row,
    Scored,
    auroc,
    by,
    cell,
    joined,
    read_rows,
    share,
    table,
    threshold_at,
    with_interval,
    write_rows,
)

Rows = Sequence[Scored[Row]]


def to_score(labels: Sequence[Row]) -> list[Row]:
    """Return what ``score statements`` reads."""
    return [
        {"id": row["id"], "messages": [{"role": "user", "content": row["text"]}]} for row in labels
    ]


def report(rows: Rows) -> str:
    """Return the tables."""
    triggers = [row for row in rows if row.row["trigger"]]
    hard = [row for row in rows if not row.row["trigger"] and row.row["neg_kind"]]
    ordinary = [row for row in rows if not row.row["trigger"] and not row.row["neg_kind"]]
    at = threshold_at(RATE, [row.score for row in ordinary])
    return "\n".join(
        [
            _overall(triggers, hard, ordinary, at),
            "False positives by kind of hard negative:\n",
            _by(hard, "neg_kind", at),
            "Recall by category of trigger:\n",
            _by(triggers, "category", at),
            "By source (AUROC against the hard negatives of the same source):\n",
            _by_source(triggers, hard, at),
            NOTE.format("document"),
        ]
    )


def _overall(triggers: Rows, hard: Rows, ordinary: Rows, at: float) -> str:
    def separation(rows: Rows) -> float:
        return auroc(
            [row for row in rows if row.row["trigger"]],
            [row for row in rows if not row.row["trigger"]],
        )

    def both(name: str, rows: Rows) -> list[object]:
        return [
            name,
            len(rows),
            with_interval(lambda drawn: share(drawn, at), rows),
            with_interval(share, rows),
        ]

    return "\n".join(
        [
            table(
                ["AUROC of triggers against", "rows", "all", "clear rows"],
                [
                    [
                        name,
                        len(triggers) + len(negatives),
                        with_interval(separation, [*triggers, *negatives]),
                        with_interval(separation, _clear([*triggers, *negatives])),
                    ]
                    for name, negatives in (("ordinary turns", ordinary), ("hard negatives", hard))
                ],
            ),
            f"At {RATE:.0%} fires on ordinary turns the threshold is {at:.4f}.\n",
            table(
                ["fires on", "rows", f"at {RATE:.0%} of ordinary turns", "as shipped"],
                [
                    both("triggers (recall)", triggers),
                    both("clear triggers (recall)", _clear(triggers)),
                    both("hard negatives", hard),
                    both("ordinary turns", ordinary),
                ],
            ),
        ]
    )


def _clear(rows: Rows) -> Rows:
    return [row for row in rows if not row.row["borderline"]]


def _by(rows: Rows, key: str, at: float) -> str:
    return table(
        [key.replace("neg_kind", "kind"), "rows", f"at {RATE:.0%}", "as shipped"],
        [
            [name, len(own), cell(share(own, at), len(own)), cell(share(own), len(own))]
            for name, own in by(rows, key).items()
        ],
    )


def _by_source(triggers: Rows, hard: Rows, at: float) -> str:
    negatives = by(hard, "source")
    lines: list[list[object]] = []
    figures: list[list[float]] = []
    for source, own in by(triggers, "source").items():
        against = negatives.get(source, [])
        values = [auroc(own, against), share(own, at), share(against, at)]
        sizes = [min(len(own), len(against)), len(own), len(against)]
        lines.append([source, len(own), len(against), *map(cell, values, sizes)])
        if min(sizes) > 0:
            figures.append(values)
    if figures:
        lines.append(["macro", "", "", *(f"{v:.2f}" for v in np.mean(figures, axis=0))])
    return table(["source", "triggers", "negatives", "AUROC", "recall", "false positives"], lines)


def main(arguments: Sequence[str]) -> None:
    """Run the subcommand."""
    match arguments:
        case ["rows", *labels, out] if labels:
            found = [row for name in labels for row in read_rows(Path(name))]
            write_rows(to_score(found), Path(out))
        case ["table", scores, *labels] if labels:
            found = [row for name in labels for row in read_rows(Path(name))]
            print(report(joined(read_rows(Path(scores)), found)))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
