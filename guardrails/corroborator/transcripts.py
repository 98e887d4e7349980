"""Conversations from files: JSON Lines, one JSON document, or CSV; compressed with gzip or not.

What is broken is handed out as a `Broken` with file and line, and the reading goes on. Memory is
bounded by the longest conversation, except for a JSON document, which is read whole.
"""

import csv
import gzip
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Literal, Self, cast

from corroborator.errors import InputError
from corroborator.messages import Message, read_messages

if TYPE_CHECKING:
    from _csv import Reader  # the standard library gives the type of `csv.reader` no public name

Format = Literal["jsonl", "json", "csv"]

STANDARD_STREAM = "-"
COLUMNS = ("conversation", "role", "content")
FIELD_CHARACTERS = 10_000_000
"""Longer CSV fields are refused: an unclosed quotation mark swallows no more than that."""

_FORMATS: Mapping[str, Format] = MappingProxyType(
    {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv"}
)
_SPACE = re.compile(r"[ \t\r\n]*")
_UNDECODED = re.compile("[\\udc80-\\udcff]")  # what `surrogateescape` makes of stray bytes
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Transcript:
    """One conversation of a file.

    Attributes:
        id: its id, as it stands in the file.
        messages: oldest first.
        file, line: where it starts, lines counted from 1.
    """

    id: str | int
    messages: tuple[Message, ...] = field(repr=False)
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A place in a file that is no conversation, and why; nothing of its text."""

    file: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}"


Found = Transcript | Broken


class TranscriptFile:
    """A file of conversations, open for one pass.

    Args:
        name: a path, or ``-`` for standard input.
        format_: told by the ending of the name where it is None; JSON Lines for standard input.

    Attributes:
        name: for messages.
        size: in bytes; None for standard input.

    Raises:
        InputError: the file cannot be opened, or its format cannot be told.
    """

    def __init__(self, name: str, format_: Format | None = None) -> None:
        self._read = _READERS[format_ or _format_of(name)]
        self._gzip = name.endswith(".gz")
        self.size: int | None = None
        if name == STANDARD_STREAM:
            self.name, self._raw = "<stdin>", sys.stdin.buffer
            return
        self.name = name
        try:
            self._raw = cast(BinaryIO, Path(name).open("rb"))  # noqa: SIM115 - closed by `__exit__`
            self.size = Path(name).stat().st_size
        except OSError as error:
            raise InputError(f"{name}: cannot be opened: {error.strerror}") from None

    def __iter__(self) -> Iterator[Found]:
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=self._raw)) if self._gzip else self._raw
        return self._read(stream, self.name)

    def position(self) -> int:
        """Return how many bytes of `size` were read."""
        return 0 if self.size is None else self._raw.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.size is not None:
            self._raw.close()


def _format_of(name: str) -> Format:
    if name == STANDARD_STREAM:
        return "jsonl"
    ending = Path(name.removesuffix(".gz")).suffix.lower()
    if ending not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise InputError(f"{name}: the format cannot be told from the name; give it ({known})")
    return _FORMATS[ending]


def _json_lines(stream: BinaryIO, file: str) -> Iterator[Found]:
    number = 0
    try:
        for number, raw in enumerate(stream, start=1):
            text = _decoded(raw)
            if text is None:
                yield Broken(file, number, "this is not UTF-8")
            elif text.strip():
                parsed = _parsed(text, 0)
                if parsed is None or text[parsed[1] :].strip():
                    yield Broken(file, number, "this is not one valid JSON value")
                else:
                    yield _transcript(parsed[0], file, number)
    except (OSError, EOFError, zlib.error) as error:
        yield _damaged(file, number + 1, error)


def _json_document(stream: BinaryIO, file: str) -> Iterator[Found]:
    try:
        text = _decoded(stream.read())
    except (OSError, EOFError, zlib.error) as error:
        yield _damaged(file, 1, error)
        return
    if text is None:
        yield Broken(file, 1, "this is not UTF-8")
        return
    start = _after_space(text, 0)
    if text[start : start + 1] == "[":
        yield from _json_list(text, start + 1, file)
        return
    parsed = _parsed(text, start)
    if parsed is None or text[parsed[1] :].strip():
        yield Broken(file, 1, "this is not one valid JSON document")
    else:
        yield _transcript(parsed[0], file, 1 + text.count("\n", 0, start))


def _json_list(text: str, position: int, file: str) -> Iterator[Found]:
    """Yield the items of a list one by one, so that each has its line."""
    line, counted = 1, 0
    position = _after_space(text, position)
    while text[position : position + 1] != "]":
        line += text.count("\n", counted, position)
        counted = position
        parsed = _parsed(text, position)
        if parsed is None:
            problem = "no valid JSON starts here; what follows in this file is not read"
            yield Broken(file, line, problem)
            return
        yield _transcript(parsed[0], file, line)
        position = _after_space(text, parsed[1])
        if text[position : position + 1] == ",":
            position = _after_space(text, position + 1)
        elif text[position : position + 1] != "]":
            line += text.count("\n", counted, position)
            problem = "the list is not well-formed here; what follows in this file is not read"
            yield Broken(file, line, problem)
            return


def _csv_rows(stream: BinaryIO, file: str) -> Iterator[Found]:
    """Yield conversations of adjacent rows; a broken row breaks the conversation it is in."""
    csv.field_size_limit(FIELD_CHARACTERS)
    reader = csv.reader(_text_lines(stream), strict=True)
    rows = _numbered(reader)
    try:
        _, header = next(rows, (1, []))
        if missing := [name for name in COLUMNS if name not in (header or ())]:
            yield Broken(file, 1, f"the header lacks {', '.join(missing)}")
        else:
            yield from _grouped(rows, header or [], file)
    except (OSError, EOFError, zlib.error) as error:
        yield _damaged(file, reader.line_num + 1, error)


@dataclass
class _Group:
    """Rows of one conversation, as far as they were read; without messages once one is broken."""

    id: str
    line: int
    messages: list[object] | None


def _grouped(
    rows: Iterator[tuple[int, list[str] | None]], header: list[str], file: str
) -> Iterator[Found]:
    places = [header.index(name) for name in COLUMNS]
    group: _Group | None = None
    for line, row in rows:
        if row == []:
            continue
        cells = [row[place] for place in places] if row and len(row) == len(header) else []
        if not cells or not cells[0] or any(map(_UNDECODED.search, cells)):
            problem = "this row cannot be read; the conversation it is in is left out"
            yield Broken(file, line, problem)
            if group is not None:
                group.messages = None
            continue
        if group is None or group.id != cells[0]:
            yield from _finished(group, file)
            group = _Group(cells[0], line, [])
        if group.messages is not None:
            group.messages.append({"role": cells[1].strip(), "content": cells[2]})
    yield from _finished(group, file)


def _finished(group: _Group | None, file: str) -> Iterator[Found]:
    if group is not None and group.messages is not None:
        yield _read(group.id, group.messages, file, group.line)


def _numbered(reader: "Reader") -> Iterator[tuple[int, list[str] | None]]:
    """Yield rows with the line where they start; None for one that is no CSV."""
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, None
        else:
            yield line, row


def _text_lines(stream: BinaryIO) -> Iterator[str]:
    for number, raw in enumerate(stream):
        line = raw.decode("utf-8", "surrogateescape")
        yield line.removeprefix(_BYTE_ORDER_MARK) if number == 0 else line


def _transcript(value: object, file: str, line: int) -> Found:
    if not isinstance(value, Mapping):
        return Broken(file, line, "a conversation is an object with id and messages")
    identifier, messages = value.get("id"), value.get("messages")
    if not isinstance(identifier, str | int) or isinstance(identifier, bool) or identifier == "":
        return Broken(file, line, "id must be a text or a whole number")
    if not isinstance(messages, list):
        return Broken(file, line, "messages must be a list of objects with role and content")
    return _read(identifier, messages, file, line)


def _read(identifier: str | int, messages: list[object], file: str, line: int) -> Found:
    try:
        return Transcript(identifier, read_messages(messages), file, line)
    except InputError as error:
        return Broken(file, line, str(error))


def _parsed(text: str, position: int) -> tuple[object, int] | None:
    """Return the JSON value that starts there and where it ends; None if there is none."""
    try:
        return json.JSONDecoder().raw_decode(text, _after_space(text, position))
    except (ValueError, RecursionError):
        return None


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8").removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError:
        return None


def _damaged(file: str, line: int, error: Exception) -> Broken:
    problem = f"the file cannot be read from here on ({type(error).__name__})"
    return Broken(file, line, problem)


_READERS: Mapping[Format, Callable[[BinaryIO, str], Iterator[Found]]] = MappingProxyType(
    {"jsonl": _json_lines, "json": _json_document, "csv": _csv_rows}
)
