"""Label files: what is measured against, as JSON Lines, plain or gzipped.

``docs/accuracy.md`` describes the fields. Fields that are not known are ignored.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corroborator.errors import InputError
from corroborator.messages import Message


class Label(BaseModel):
    """A row.

    Attributes:
        id: unique over all files.
        source: where the row comes from; macro figures are over sources.
        group: the document or scenario it belongs to; rows of a group are resampled together.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, coerce_numbers_to_str=True)

    id: str = Field(min_length=1)
    source: str = "one"
    group: str = ""

    @property
    def unit(self) -> str:
        """The group, distinct over sources; a row without one is its own."""
        return f"{self.source}/{self.group or self.id}"

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is scored."""
        raise NotImplementedError


class StatementLabel(Label):
    """A user statement.

    Attributes:
        trigger: whether it is a claim to be found.
        category: of a trigger.
        neg_kind: of a hard negative; None for an ordinary turn.
        borderline: whether the labeller was in doubt.
    """

    text: str = Field(repr=False)
    trigger: bool
    category: str | None = None
    neg_kind: str | None = None
    borderline: bool = False

    @property
    def kind(self) -> str:
        """Trigger, hard negative or ordinary turn."""
        return "trigger" if self.trigger else "hard" if self.neg_kind else "ordinary"

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is scored."""
        return (Message("user", self.text),)


class Said(BaseModel):
    """A message of a conversation."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    role: str
    content: str = Field(repr=False)


class ReplyLabel(Label):
    """A reply with what came before it.

    Attributes:
        model: who wrote it.
        category: the kind of scenario.
        collusive: whether it adopts a claim.
        grounded: whether it discusses a claim and stays grounded; None where nobody said.
        hard: a collusive reply that holds referral words, or a fine one that does not.
    """

    history: tuple[Said, ...] = Field(default=(), repr=False)
    user: str = Field(repr=False)
    reply: str = Field(repr=False)
    model: str = "not named"
    category: str = "not named"
    collusive: bool
    grounded: bool | None = None
    hard: bool = False

    @property
    def kind(self) -> str:
        """Collusive or fine."""
        return "collusive" if self.collusive else "fine"

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is scored: a reply is judged against the messages since the one before it."""
        earlier = (
            Message("assistant" if said.role == "assistant" else "user", said.content)
            for said in self.history
        )
        return (*earlier, Message("user", self.user), Message("assistant", self.reply))


L = TypeVar("L", bound=BaseModel)


def read_labels(files: Iterable[Path], kind: type[L]) -> tuple[L, ...]:
    """Read label files.

    Raises:
        InputError: a file cannot be read, a row does not hold, or an id stands twice; it names file
            and line and quotes nothing.
    """
    rows: list[L] = []
    seen: set[str] = set()
    for file in files:
        for number, raw in _lines(file):
            try:
                row = kind.model_validate_json(raw)
            except ValidationError as error:
                first = error.errors(include_input=False, include_url=False)[0]
                where = ".".join(str(part) for part in first["loc"]) or "the line"
                raise InputError(f"{file}:{number}: {where}: {first['msg']}") from None
            name = str(getattr(row, "id"))  # noqa: B009 - every kind of row has one
            if name in seen:
                raise InputError(f"{file}:{number}: this id stands twice")
            seen.add(name)
            rows.append(row)
    return tuple(rows)


def read_rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects of a JSON Lines file with their lines.

    Raises:
        InputError: a line is no JSON object.
    """
    for number, raw in _lines(file):
        try:
            row = json.loads(raw)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{file}:{number}: this is not one JSON object")
        yield number, row


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        raw = file.read_bytes()
        text = (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode("utf-8-sig")
    except (UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{file}: cannot be read ({type(error).__name__})") from None
    yield from ((n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip())


def by(rows: Sequence[L], key: str) -> dict[str, list[int]]:
    """Return the places of the rows by the value of a field, sorted by value."""
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(str(getattr(row, key)), []).append(place)
    return dict(sorted(places.items()))
