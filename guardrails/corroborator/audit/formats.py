"""The forms of an export: JSON Lines, CSV and Parquet, with the same fields in all three.

A row of CSV or Parquet has all `FIELDS`, empty where its line has none, and a field with parts is
JSON. In CSV all of it is ASCII, a record is one line, and no cell can be taken for a formula: where
one would begin with ``= + - @``, a tab, a carriage return or an apostrophe, an apostrophe stands
before it, and JSON holds no semicolon, at which some spreadsheets cut
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

import codecs
import csv
import json
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from itertools import islice
from typing import BinaryIO, Literal

from corroborator.audit.canonical import JSON, canonical
from corroborator.errors import InputError

Format = Literal["jsonl", "csv", "parquet"]
Lines = Iterable[Mapping[str, JSON]]

FIELDS = {
    "schema": "int64",
    "record": "string",
    "conversation": "string",
    "status": "string",
    "intact": "bool",
    "opened": "string",
    "closed": "string",
    "salt": "string",
    "detail": "string",
    "text": "string",
    "event": "string",
}
"""Field -> its type in Parquet; see ``rails_config/schema/record.schema.json``."""

_BATCH = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def writer_of(form: Format) -> Callable[[Lines, BinaryIO], None]:
    """Return what writes lines in a form.

    Raises:
        InputError: the extra that it needs is not installed.
    """
    if form == "parquet" and find_spec("pyarrow") is None:
        raise InputError("Parquet needs pyarrow: pip install 'corroborator[parquet]'")
    return {"jsonl": _json_lines, "csv": _csv, "parquet": _parquet}[form]


def _json_lines(lines: Lines, out: BinaryIO) -> None:
    out.writelines(canonical(line) + b"\n" for line in lines)


def _csv(lines: Lines, out: BinaryIO) -> None:
    rows = csv.writer(codecs.getwriter("utf-8")(out))
    rows.writerow(FIELDS)
    for line in lines:
        rows.writerow([_cell(line.get(field)) for field in FIELDS])


def _cell(value: JSON) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return _json(value).replace(";", "\\u003b")


def _parquet(lines: Lines, out: BinaryIO) -> None:
    import pyarrow as pa  # noqa: PLC0415 - an extra, needed for Parquet alone
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415 - of the same extra

    schema = pa.schema(list(FIELDS.items()))
    rows = ({field: _value(line.get(field)) for field in FIELDS} for line in lines)
    with ParquetWriter(out, schema, compression="zstd") as writer:
        while batch := list(islice(rows, _BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema))


def _value(value: JSON) -> JSON:
    return _json(value) if isinstance(value, Mapping) else value


def _json(value: JSON) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
