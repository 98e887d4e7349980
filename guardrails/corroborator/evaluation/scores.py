"""Scores of labelled rows: made once, kept in a file where one is named, read from it after that."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from corroborator.errors import InputError
from corroborator.evaluation.labels import Label, read_rows
from corroborator.evaluation.metrics import Flags
from corroborator.heads import Floats

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Scores:
    """What was scored for rows, in their order.

    Attributes:
        rows: what ``corroborator score`` writes for each.
    """

    rows: tuple[Row, ...]

    @property
    def values(self) -> Floats:
        """The probabilities."""
        return self.column("score")

    def column(self, key: str) -> Floats:
        """Return a number of each row."""
        return np.array([row[key] for row in self.rows], dtype=np.float64)

    @property
    def fired(self) -> Flags:
        """The decisions at the shipped threshold."""
        return np.array([row["fired"] for row in self.rows], dtype=bool)

    def flags(self, key: str) -> Flags:
        """Return whether a value of each row is true or not empty."""
        return np.array([bool(row.get(key)) for row in self.rows], dtype=bool)

    @property
    def model(self) -> str:
        """The hash of the model."""
        return str(self.rows[0].get("model", "unknown")) if self.rows else "unknown"


L = TypeVar("L", bound=Label)


def scored(
    labels: Sequence[L],
    load: Callable[[], Callable[[L], Row]],
    file: Path | None,
    told: Callable[[int], None] = lambda _: None,
) -> Scores:
    """Return the scores of labelled rows.

    Args:
        labels: the rows.
        load: loads what judges a row; not called where the file holds scores.
        file: where scores are kept, in the format of ``corroborator score``; None keeps none. A
            file that exists is read, and another is written.
        told: is told how many rows are scored so far.

    Raises:
        InputError: the file lacks a row or mixes models.
    """
    if file is not None and file.exists():
        return _matched(labels, file)
    judge = load()
    rows = []
    for done, label in enumerate(labels, start=1):
        rows.append({"id": label.id, **judge(label)})
        told(done)
    if file is not None:
        _write(rows, file)
    return Scores(tuple(rows))


def _matched(labels: Sequence[Label], file: Path) -> Scores:
    by_id = {str(row.get("id")): row for _, row in read_rows(file)}
    missing = [label for label in labels if label.id not in by_id]
    if missing:
        remedy = "remove the file to score anew"
        raise InputError(f"{file}: {len(missing)} labelled rows have no score; {remedy}")
    rows = tuple(by_id[label.id] for label in labels)
    if any(not {"score", "fired"} <= row.keys() for row in rows):
        raise InputError(f"{file}: a row lacks score or fired")
    if len({row.get("model") for row in rows}) > 1:
        raise InputError(f"{file}: these scores are of several models; remove the file")
    return Scores(rows)


def _write(rows: Iterable[Row], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    with part.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
    part.replace(file)
