import gzip
import json
from pathlib import Path

import pytest

from cli.conftest import Run
from conftest import PolicyOf
from corroborator.engine import Engine
from corroborator.scoring import Scorer
from tiny_world import CANARY, WordEncoder, conversation, said

ROWS: list[dict[str, object]] = [
    {"id": "a", "messages": conversation(said("surveillance_claim"), said("k4"))},
    {"id": 2, "messages": conversation("hello there", "Good morning.")},
    {"id": "c", "messages": conversation(said("abuse_disclosure"), said("o2")), "more": "ignored"},
]


@pytest.fixture(autouse=True)
def _tiny_scorer(monkeypatch: pytest.MonkeyPatch, tiny_policy: PolicyOf) -> None:
    engine = Engine.load(tiny_policy("audit: {store: null}"), WordEncoder())
    monkeypatch.setattr(Scorer, "load", lambda: Scorer(engine))


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def read(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("kind", ["statements", "replies"])
def test_each_row_gets_a_line_in_order_with_its_own_id(run: Run, kind: str) -> None:
    result = run("score", kind, "-", "-", given=lines(ROWS))
    assert result.exit_code == 0
    assert [row["id"] for row in read(result.stdout)] == ["a", 2, "c"]
    assert "3 rows scored" in result.stderr


def test_statements_have_the_keys_of_the_contract(run: Run) -> None:
    scored = read(run("score", "statements", "-", "-", given=lines(ROWS)).stdout)
    expected = {"id", "score", "score_before_protected", "fired", "protected", "domains", "model"}
    expected |= {"named", "nearest", "nearest_is_claim"}
    assert all(set(row) == expected for row in scored)
    assert [row["fired"] for row in scored] == [True, False, False]
    assert [row["protected"] for row in scored] == [[], [], ["abuse_disclosure"]]
    assert [row["named"] for row in scored] == ["surveillance_claim", None, None]
    assert [row["nearest"] is None for row in scored] == [False, True, True]


def test_replies_have_the_keys_of_the_contract(run: Run) -> None:
    scored = read(run("score", "replies", "-", "-", given=lines(ROWS)).stdout)
    expected = {"id", "score", "fired", "overcorrection", "overcorrects", "codes", "model"}
    assert all(set(row) == expected for row in scored)
    assert [row["fired"] for row in scored] == [True, False, False]


@pytest.mark.parametrize("kind", ["statements", "replies"])
def test_a_row_scores_the_same_alone_and_among_others(run: Run, kind: str) -> None:
    together = read(run("score", kind, "-", "-", given=lines(ROWS)).stdout)
    alone = [read(run("score", kind, "-", "-", given=lines([row])).stdout)[0] for row in ROWS]
    backwards = read(run("score", kind, "-", "-", given=lines(ROWS[::-1])).stdout)
    assert together == alone == backwards[::-1]


def test_files_are_read_and_written(run: Run, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl.gz", tmp_path / "out.jsonl"
    source.write_bytes(gzip.compress(lines(ROWS).encode()))
    assert run("score", "statements", source, target).exit_code == 0
    assert len(read(target.read_text())) == 3


@pytest.mark.parametrize(
    ("kind", "broken", "problem"),
    [
        ("statements", "{", "this is not one valid JSON value"),
        ("statements", '{"id": "x", "messages": []}', "there is no user message to judge"),
        (
            "replies",
            json.dumps({"id": "x", "messages": conversation(CANARY)}),
            "there is no assistant message to judge",
        ),
    ],
)
def test_a_broken_row_is_reported_with_its_place_and_left_out(
    run: Run, tmp_path: Path, kind: str, broken: str, problem: str
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(lines(ROWS[:1]) + broken + "\n" + lines(ROWS[1:]))
    result = run("score", kind, source, "-")
    assert result.exit_code == 1
    assert [row["id"] for row in read(result.stdout)] == ["a", 2, "c"]
    assert f"{source}:2: {problem}" in result.stderr
    assert "3 rows scored, 1 left out" in result.stderr
    assert CANARY not in result.output


def test_the_output_never_overwrites_the_input(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(lines(ROWS))
    result = run("score", "statements", source, source)
    assert result.exit_code == 2
    assert "name another file to write to" in result.stderr
    assert source.read_text() == lines(ROWS)


def test_a_place_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "none" / "out.jsonl"
    result = run("score", "statements", "-", target, given=lines(ROWS))
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "No such file" in result.stderr


def test_an_empty_input_is_no_error(run: Run) -> None:
    result = run("score", "replies", "-", "-", given="")
    assert (result.exit_code, result.stdout) == (0, "")
