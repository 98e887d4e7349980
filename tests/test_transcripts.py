import gzip
import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corroborator.errors import InputError
from corroborator.transcripts import Broken, Format, Transcript, TranscriptFile

CANARY = "zebra-canary-73"


def row(identifier: object = "a", text: str = "hello") -> dict[str, object]:
    return {"id": identifier, "messages": [{"role": "user", "content": text}]}


def read(
    path: Path, content: bytes | str, format_: Format | None = None
) -> list[Transcript | Broken]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with TranscriptFile(str(path), format_) as file:
        return list(file)


def ids(found: list[Transcript | Broken]) -> list[object]:
    return [item.id for item in found if isinstance(item, Transcript)]


def breaks(found: list[Transcript | Broken]) -> list[tuple[int, str]]:
    return [(item.line, item.problem) for item in found if isinstance(item, Broken)]


def test_json_lines_keep_ids_and_places_and_skip_empty_lines(tmp_path: Path) -> None:
    found = read(tmp_path / "a.jsonl", f"{json.dumps(row('a'))}\n\n{json.dumps(row(7))}\n")
    assert ids(found) == ["a", 7]
    assert [item.line for item in found] == [1, 3]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "this is not one valid JSON value"),
        (b'{"id": 1, "messages": []} extra', "this is not one valid JSON value"),
        (b'{"id": "\xff", "messages": []}', "this is not UTF-8"),
        (b"[" * 100_000, "this is not one valid JSON value"),
        (b"9" * 5000, "this is not one valid JSON value"),
        (b'"text"', "a conversation is an object with id and messages"),
        (b'{"messages": []}', "id must be a text or a whole number"),
        (b'{"id": true, "messages": []}', "id must be a text or a whole number"),
        (b'{"id": "", "messages": []}', "id must be a text or a whole number"),
        (
            b'{"id": 1, "messages": "text"}',
            "messages must be a list of objects with role and content",
        ),
        (b'{"id": 1, "messages": [7]}', "message 0 is a int, not a mapping"),
    ],
)
def test_a_broken_line_is_reported_with_its_place_and_the_rest_goes_on(
    tmp_path: Path, line: bytes, problem: str
) -> None:
    path = tmp_path / "a.jsonl"
    good = json.dumps(row()).encode()
    found = read(path, good + b"\n" + line + b"\n" + good + b"\n")
    assert len(ids(found)) == 2
    assert breaks(found) == [(2, problem)]
    assert str(found[1]) == f"{path}:2: {problem}"


def test_an_unknown_role_is_reported_without_the_text(tmp_path: Path) -> None:
    line = json.dumps({"id": 1, "messages": [{"role": CANARY, "content": CANARY}]})
    [broken] = read(tmp_path / "a.jsonl", line)
    assert isinstance(broken, Broken)
    assert "message 0 has no known role" in broken.problem
    assert CANARY not in repr(broken)


def test_the_text_of_a_transcript_is_not_in_its_repr(tmp_path: Path) -> None:
    [found] = read(tmp_path / "a.jsonl", json.dumps(row(text=CANARY)))
    assert CANARY not in repr(found)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    assert ids(read(tmp_path / "a.jsonl", mark + json.dumps(row()).encode())) == ["a"]
    assert ids(read(tmp_path / "a.json", mark + json.dumps(row()).encode())) == ["a"]
    content = mark + b"conversation,role,content\na,user,hello\n"
    assert ids(read(tmp_path / "a.csv", content)) == ["a"]


def test_compressed_files_are_read(tmp_path: Path) -> None:
    content = gzip.compress(json.dumps(row()).encode())
    assert ids(read(tmp_path / "a.jsonl.gz", content)) == ["a"]
    assert ids(read(tmp_path / "a.json.gz", gzip.compress(json.dumps([row()]).encode()))) == ["a"]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.gz", "a.csv.gz"])
@pytest.mark.parametrize("damage", ["cut", "no gzip at all"])
def test_a_damaged_compressed_file_is_reported(tmp_path: Path, name: str, damage: str) -> None:
    packed = gzip.compress(b"conversation,role,content\n" * 5000)
    content = packed[: len(packed) // 2] if damage == "cut" else b"plain text"
    assert "cannot be read from here on" in breaks(read(tmp_path / name, content))[-1][1]


def test_one_json_document_is_one_conversation_or_a_list(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert ids(read(path, json.dumps(row("x"), indent=2))) == ["x"]
    found = read(path, json.dumps([row("x"), row("y")], indent=2))
    assert ids(found) == ["x", "y"]
    assert [item.line for item in found] == [2, 11]
    assert read(path, " [ ] ") == []


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"{", 1),
        (b"", 1),
        (b"\xff", 1),
        (b'[\n{"id": 1, "messages": []},\n{,', 3),
        (b'[{"id": 1, "messages": []}\n\n{}', 3),
        (b"[1,\n", 2),
    ],
)
def test_a_broken_document_is_reported_where_it_breaks(
    tmp_path: Path, content: bytes, line: int
) -> None:
    assert breaks(read(tmp_path / "a.json", content))[-1][0] == line


def test_csv_rows_make_conversations(tmp_path: Path) -> None:
    content = (
        "time,role,conversation,content\r\n"
        '1,user,a,"two\r\nlines, ""quoted"""\r\n'
        "2,assistant,a,yes\r\n"
        "\r\n"
        "3,user,b,hello\r\n"
    )
    found = read(tmp_path / "a.csv", content)
    assert ids(found) == ["a", "b"]
    first, second = (item for item in found if isinstance(item, Transcript))
    assert [(m.role, m.text) for m in first.messages] == [
        ("user", 'two\r\nlines, "quoted"'),
        ("assistant", "yes"),
    ]
    assert (first.line, second.line) == (2, 6)


def test_a_csv_header_is_required(tmp_path: Path) -> None:
    assert breaks(read(tmp_path / "a.csv", "a,user,hello\n")) == [
        (1, "the header lacks conversation, role, content")
    ]
    assert breaks(read(tmp_path / "a.csv", "")) != []
    assert breaks(read(tmp_path / "a.csv", '"unclosed')) != []


@pytest.mark.parametrize(
    "broken", [b"a,user", b"a,user,hello,more", b'a,"us"er,x', b",user,x", b"a,user,\xff"]
)
def test_a_broken_csv_row_breaks_its_conversation_alone(tmp_path: Path, broken: bytes) -> None:
    content = b"conversation,role,content\na,user,one\n" + broken + b"\na,user,two\nb,user,three\n"
    found = read(tmp_path / "a.csv", content)
    assert ids(found) == ["b"]
    assert [line for line, _ in breaks(found)] == [3]


def test_a_csv_row_with_an_unknown_role_breaks_its_conversation(tmp_path: Path) -> None:
    content = "conversation,role,content\na,robot,one\nb, user ,two\n"
    found = read(tmp_path / "a.csv", content)
    assert ids(found) == ["b"]
    assert [line for line, _ in breaks(found)] == [2]


def test_an_unclosed_quotation_mark_does_not_stop_the_reading(tmp_path: Path) -> None:
    content = 'conversation,role,content\na,user,one\nb,user,"never closed\nc,user,x\n'
    assert breaks(read(tmp_path / "a.csv", content))[-1][0] == 3


def test_the_format_is_told_by_the_name_or_given(tmp_path: Path) -> None:
    content = json.dumps(row())
    with pytest.raises(InputError, match="format cannot be told"):
        read(tmp_path / "a.txt", content)
    assert ids(read(tmp_path / "a.txt", content, "jsonl")) == ["a"]
    assert ids(read(tmp_path / "A.JSONL", content)) == ["a"]


def test_standard_input_is_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(row()).encode())))
    with TranscriptFile("-") as file:
        assert file.size is None
        [found] = file
        assert file.position() == 0
    assert (found.file, found.line) == ("<stdin>", 1)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened: No such file"):
        TranscriptFile(str(tmp_path / "none.jsonl"))
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(InputError, match="cannot be opened: Is a directory"):
        TranscriptFile(str(tmp_path / "folder.jsonl"))


def test_the_position_reaches_the_size(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(row(n)) for n in range(100)))
    with TranscriptFile(str(path)) as file:
        assert len(list(file)) == 100
        assert file.position() == file.size == path.stat().st_size


@given(content=st.binary(max_size=300), format_=st.sampled_from(["jsonl", "json", "csv"]))
def test_any_bytes_are_read_or_reported(
    content: bytes, format_: Format, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    found = read(path, content, format_)
    assert all(item.line >= 1 for item in found)


_JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
)
_ROWS = st.fixed_dictionaries(
    {},
    optional={
        "id": _JSON_VALUES,
        "messages": st.lists(
            st.fixed_dictionaries(
                {}, optional={"role": st.sampled_from(["user", "x"]), "content": _JSON_VALUES}
            )
            | _JSON_VALUES,
            max_size=3,
        ),
    },
)


@given(rows=st.lists(_ROWS | _JSON_VALUES, max_size=5))
def test_any_json_is_read_the_same_from_lines_and_from_a_list(
    rows: list[object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    lines = read(path, "\n".join(map(json.dumps, rows)), "jsonl")
    listed = read(path, json.dumps(rows), "json")
    assert len(lines) == len(listed) == len(rows)
    for one, other in zip(lines, listed, strict=True):
        if isinstance(one, Transcript):
            assert isinstance(other, Transcript)
            assert (one.id, one.messages) == (other.id, other.messages)
        else:
            assert isinstance(other, Broken)
            assert one.problem == other.problem
