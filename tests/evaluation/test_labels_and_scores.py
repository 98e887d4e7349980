import gzip
import json
from pathlib import Path

import pytest

from corroborator.errors import InputError
from corroborator.evaluation.labels import ReplyLabel, StatementLabel, read_labels, read_rows
from corroborator.evaluation.scores import Scores, scored
from tiny_world import CANARY

ROW = {"id": "a", "source": "s", "group": "g", "text": CANARY, "trigger": 1, "borderline": False}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_statements_are_read_from_several_files(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", ROW)
    second = tmp_path / "b.jsonl.gz"
    second.write_bytes(gzip.compress(json.dumps({**ROW, "id": 2, "group": ""}).encode()))
    labels = read_labels([first, second], StatementLabel)
    assert [label.id for label in labels] == ["a", "2"]
    assert [label.unit for label in labels] == ["s/g", "s/2"]
    assert labels[0].messages[0].text == CANARY


def test_kinds_of_rows() -> None:
    row = {**ROW, "trigger": 0}
    assert StatementLabel.model_validate(ROW).kind == "trigger"
    assert StatementLabel.model_validate({**row, "neg_kind": "insight_or_past"}).kind == "hard"
    assert StatementLabel.model_validate(row).kind == "ordinary"


def test_a_reply_is_scored_with_what_came_before() -> None:
    label = ReplyLabel.model_validate(
        {
            "id": "a",
            "history": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}],
            "user": "u",
            "reply": "r",
            "collusive": 0,
        }
    )
    assert [m.role for m in label.messages] == ["user", "assistant", "user", "assistant"]
    assert label.kind == "fine"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([ROW, ROW], "a.jsonl:2: this id stands twice"),
        ([{**ROW, "trigger": CANARY}], "a.jsonl:1: trigger"),
        ([{"id": "a"}], "a.jsonl:1: text"),
        ([[CANARY]], "a.jsonl:1: the line"),
    ],
)
def test_a_broken_label_is_refused_by_place_and_without_its_text(
    tmp_path: Path, rows: list[object], problem: str
) -> None:
    file = write(tmp_path / "a.jsonl", *rows)
    with pytest.raises(InputError, match=problem) as caught:
        read_labels([file], StatementLabel)
    assert CANARY not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(b"no gzip")
    with pytest.raises(InputError, match="cannot be read"):
        list(read_rows(file))
    with pytest.raises(InputError, match="not one JSON object"):
        list(read_rows(write(tmp_path / "b.jsonl", [1])))


def labels(*names: str) -> tuple[StatementLabel, ...]:
    return tuple(StatementLabel.model_validate({**ROW, "id": name}) for name in names)


def score(value: float) -> Scores:
    return scored(labels("a"), lambda: lambda _: {"score": value, "fired": True}, None)


def test_scores_are_made_once_and_read_after_that(tmp_path: Path) -> None:
    kept, told = tmp_path / "build" / "scores.jsonl", list[int]()
    judge = lambda _: {"score": 0.25, "fired": True, "model": "m"}  # noqa: E731 - a fake
    first = scored(labels("a", "b"), lambda: judge, kept, told.append)
    assert told == [1, 2]
    again = scored(labels("b"), lambda: pytest.fail("it is not loaded"), kept)
    assert list(again.values) == [0.25]
    assert again.rows == first.rows[1:]
    assert again.model == "m"
    assert CANARY not in kept.read_text()
    assert list(again.flags("nothing")) == [False]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{"id": "b", "score": 1, "fired": True}], "1 labelled rows have no score"),
        ([{"id": "a", "score": 1}], "lacks score or fired"),
        (
            [{"id": i, "score": 1, "fired": True, "model": i} for i in ("a", "c")],
            "several models",
        ),
    ],
)
def test_scores_that_do_not_fit_are_refused(
    tmp_path: Path, rows: list[object], problem: str
) -> None:
    kept = write(tmp_path / "scores.jsonl", *rows)
    wanted = labels("a", "c") if len(rows) > 1 else labels("a")
    with pytest.raises(InputError, match=problem):
        scored(wanted, lambda: pytest.fail("it is not loaded"), kept)


def test_no_rows_have_no_model() -> None:
    assert Scores(()).model == "unknown"
    assert score(0.5).model == "unknown"
