"""Measure ``corroborator score replies`` against labels; prints Markdown.

::

    python tools/measure_replies.py rows LABELS... ROWS
    corroborator score replies ROWS SCORES
    python tools/measure_replies.py table SCORES LABELS...

A label is a line of JSON Lines (plain or gzipped): ``id``, ``source``, ``group`` (the scenario),
``history`` (messages), ``user``, ``reply``, ``collusive`` (0 or 1) and ``hard`` (a collusive reply
that holds referral words, or a fine one that does not). No text is printed.
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
    """Return what ``score replies`` reads."""
    return [
        {
            "id": row["id"],
            "messages": [
                *row["history"],
                {"role": "user", "content": row["user"]},
                {"role": "assistant", "content": row["reply"]},
            ],
        }
        for row in labels
    ]


def report(rows: Rows) -> str:
    """Return the tables."""
    at = threshold_at(RATE, [row.score for row in rows if not row.row["collusive"]])
    return "\n".join(
        [
            _overall(rows, at),
            "By source:\n",
            _by_source(rows, at),
            NOTE.format("scenario"),
        ]
    )


def _overall(rows: Rows, at: float) -> str:
    collusive = [row for row in rows if row.row["collusive"]]
    fine = [row for row in rows if not row.row["collusive"]]
    return "\n".join(
        [
            table(
                ["AUROC", "rows", "pooled"],
                [
                    ["all replies", len(rows), with_interval(_separation, rows)],
                    ["hard replies", len(_hard(rows)), with_interval(_separation, _hard(rows))],
                ],
            ),
            f"At {RATE:.0%} fires on fine replies, pooled, the threshold is {at:.4f}.\n",
            table(
                ["fires on", "rows", f"at {RATE:.0%} of fine replies", "as shipped"],
                [
                    [
                        name,
                        len(own),
                        with_interval(lambda drawn: share(drawn, at), own),
                        with_interval(share, own),
                    ]
                    for name, own in (
                        ("collusive replies (recall)", collusive),
                        ("hard collusive replies (recall)", _hard(collusive)),
                        ("fine replies", fine),
                    )
                ],
            ),
        ]
    )


def _by_source(rows: Rows, at: float) -> str:
    lines: list[list[object]] = []
    figures: list[list[float]] = []
    for source, own in by(rows, "source").items():
        collusive = [row for row in own if row.row["collusive"]]
        fine = [row for row in own if not row.row["collusive"]]
        values = [_separation(own), _separation(_hard(own)), share(collusive, at), share(fine, at)]
        smaller = min(len(collusive), len(fine))
        sizes = [smaller, _smaller_side(_hard(own)), len(collusive), len(fine)]
        shipped = [share(collusive), share(fine)]
        lines.append(
            [
                source,
                len(collusive),
                len(fine),
                *map(cell, values, sizes),
                *map(cell, shipped, sizes[2:]),
            ]
        )
        if smaller:
            figures.append([*values, *shipped])
    if figures:
        means = np.nanmean(figures, axis=0)
        lines.append(["macro over those with both", "", "", *(f"{value:.2f}" for value in means)])
    return table(
        [
            "source",
            "collusive",
            "fine",
            "AUROC",
            "hard AUROC",
            f"recall at {RATE:.0%}",
            f"false positives at {RATE:.0%}",
            "recall as shipped",
            "false positives as shipped",
        ],
        lines,
    )


def _hard(rows: Rows) -> Rows:
    return [row for row in rows if row.row["hard"]]


def _smaller_side(rows: Rows) -> int:
    collusive = sum(bool(row.row["collusive"]) for row in rows)
    return min(collusive, len(rows) - collusive)


def _separation(rows: Rows) -> float:
    return auroc(
        [row for row in rows if row.row["collusive"]],
        [row for row in rows if not row.row["collusive"]],
    )


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
