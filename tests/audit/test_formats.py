import csv
import io
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.helpers import CANARY
from corroborator.audit.canonical import JSON
from corroborator.audit.formats import FIELDS, Format, writer_of
from corroborator.errors import InputError

Line = Mapping[str, JSON]
Lines = list[dict[str, Any]]

TURN = tuple(field for field in FIELDS if field != "event")
EVENT = ("schema", "record", "intact", "event")
PARTS = ("opened", "closed", "detail", "text", "event")


def written(lines: list[Line], form: Format) -> bytes:
    out = io.BytesIO()
    writer_of(form)(lines, out)
    assert not out.closed
    return out.getvalue()


def rows_of(data: bytes, form: Format) -> Lines:
    """Read an export as a program of somebody else does."""
    if form == "jsonl":
        return [json.loads(line) for line in data.splitlines()]
    if form == "csv":
        csv.field_size_limit(2**31 - 1)
        return list(csv.DictReader(io.StringIO(data.decode("ascii"), newline="")))
    import pyarrow.parquet  # noqa: PLC0415 - slow

    table = pyarrow.parquet.read_table(io.BytesIO(data))
    assert table.column_names == list(FIELDS)
    rows: Lines = table.to_pylist()
    return rows


def line_of(row: Mapping[str, Any], form: Format) -> dict[str, Any]:
    """Return a row of any form as the line of JSON that it was made of."""
    if form == "jsonl":
        return dict(row)
    fields = EVENT if row["record"] == "event" else TURN
    found = {field: None if row[field] == "" else row[field] for field in fields}
    parsed = (*PARTS, "schema", "intact") if form == "csv" else PARTS
    return {
        field: json.loads(value) if field in parsed and value is not None else _bare(value)
        for field, value in found.items()
    }


def _bare(value: Any) -> Any:
    return value.removeprefix("'") if isinstance(value, str) else value


plain = (
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.floats(-1e9, 1e9) | st.text()
)
data = st.dictionaries(st.text(), plain | st.lists(plain, max_size=3), max_size=3)
turns = st.fixed_dictionaries(
    {
        "schema": st.just(1),
        "record": st.just("turn"),
        "conversation": st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
        "status": st.sampled_from(["closed", "gap", "open"]),
        "intact": st.booleans(),
        "opened": data,
        "closed": st.none() | data,
        "salt": st.none() | st.from_regex(r"[A-Za-z0-9+/]{43}=", fullmatch=True),
        "detail": st.none() | data,
        "text": st.none() | data,
    }
)
noted = st.fixed_dictionaries(
    {
        "schema": st.just(1),
        "record": st.just("event"),
        "intact": st.booleans(),
        "event": data,
    }
)


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
@given(lines=st.lists(turns | noted, max_size=3))
@settings(max_examples=50, deadline=None)
def test_every_form_holds_the_same(form: Format, lines: list[dict[str, Any]]) -> None:
    rows = rows_of(written(list(lines), form), form)
    assert [line_of(row, form) for row in rows] == lines


@given(lines=st.lists(turns | noted, max_size=3))
@settings(max_examples=50, deadline=None)
def test_no_cell_of_csv_can_be_taken_for_a_formula(lines: list[dict[str, Any]]) -> None:
    found = written(list(lines), "csv")
    assert found.isascii()
    assert found.count(b"\r\n") == found.count(b"\n") == len(lines) + 1
    for cell in (cell for row in csv.reader(io.StringIO(found.decode())) for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert not any(part.startswith(("=", "+", "-", "@")) for part in cell.split(";")[1:])


def test_what_somebody_wrote_into_the_store_is_no_formula_either() -> None:
    """A name that was forged in the store, and a text that tries to end its cell."""
    forged = "=HYPERLINK(1)"
    line = {
        **dict.fromkeys(TURN),
        "record": "turn",
        "conversation": forged,
        "text": {"reply": '";=1+1;"'},
    }
    [row] = rows_of(written([line], "csv"), "csv")
    assert row["conversation"] == f"'{forged}"
    assert ";" not in row["text"]
    assert json.loads(row["text"]) == line["text"]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_real_log_is_the_same_in_every_form(
    open_log: Any, write_turn: Callable[..., object], form: Format
) -> None:
    log = open_log("sealed")
    for number in range(3):
        write_turn(log, f"c-{number}", text=f"{CANARY}\n=1+1; \N{SNOWMAN}")
    log.erase("c-1")
    log.open_turn("open", {})
    out, reference = io.BytesIO(), io.BytesIO()
    assert log.export(out, form=form, with_text=True) == 4
    assert log.export(reference, with_text=True) == 4
    found = [line_of(row, form) for row in rows_of(out.getvalue(), form)]
    wanted = rows_of(reference.getvalue(), "jsonl")
    assert found == wanted[:-1]  # the last is the event of the first export
    assert wanted[-1]["event"]["body"] == {"turns": 4, "with_text": True, "form": form}
    assert log.verify().ok


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_text_leaves_only_when_asked_for(
    open_log: Any, write_turn: Callable[..., object], form: Format
) -> None:
    log = open_log("sealed")
    write_turn(log)
    found = []
    for with_text in (False, True):
        out = io.BytesIO()
        log.export(out, form=form, with_text=with_text)
        found.append(CANARY in str(rows_of(out.getvalue(), form)))
    assert found == [False, True]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_empty_log_has_its_fields(open_log: Any, form: Format) -> None:
    out = io.BytesIO()
    assert open_log().export(out, form=form) == 0
    assert rows_of(out.getvalue(), form) == []


def test_many_turns_are_written_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corroborator.audit.formats._BATCH", 2)
    lines: list[Line] = [{**dict.fromkeys(TURN), "record": "turn", "schema": n} for n in range(5)]
    rows = rows_of(written(lines, "parquet"), "parquet")
    assert [row["schema"] for row in rows] == [0, 1, 2, 3, 4]


def test_without_the_extra_nothing_is_noted_and_the_error_names_it(
    open_log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    log = open_log()
    with pytest.raises(InputError, match=r"pip install 'corroborator\[parquet\]'"):
        log.export(io.BytesIO(), form="parquet")
    assert log.verify().events == 0
