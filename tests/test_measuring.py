from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

import measure_replies
import measure_statements
from measuring import (
    Row,
    Scored,
    auroc,
    cell,
    interval,
    joined,
    read_rows,
    share,
    threshold_at,
    write_rows,
)

SCORES = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=1, max_size=40)


def scored(scores: list[float], row: Row | None = None) -> list[Scored[Row]]:
    return [Scored(row or {}, str(n), score, score > 0.5) for n, score in enumerate(scores)]


@given(SCORES, SCORES)
def test_auroc_is_that_of_scikit_learn(positives: list[float], negatives: list[float]) -> None:
    truth = [1] * len(positives) + [0] * len(negatives)
    expected = roc_auc_score(truth, positives + negatives)
    assert auroc(scored(positives), scored(negatives)) == pytest.approx(expected)


def test_auroc_without_a_side_is_no_number() -> None:
    assert np.isnan(auroc(scored([0.5]), []))


@given(SCORES, st.sampled_from([0.01, 0.05, 0.2]))
def test_at_most_the_rate_reaches_the_threshold(scores: list[float], rate: float) -> None:
    at = threshold_at(rate, scores)
    assert share(scored(scores), at) <= rate
    lower = np.nextafter(at, -np.inf)
    assert share(scored(scores), lower) > rate


def test_share_without_a_threshold_takes_the_shipped_decision() -> None:
    assert share(scored([0.4, 0.6, 0.9, 0.1])) == 0.5


def test_an_interval_holds_its_measure_and_is_repeatable() -> None:
    rows = scored([n / 50 for n in range(50)])
    low, high = interval(share, rows)
    assert low < share(rows) < high
    assert (low, high) == interval(share, rows)


def test_rows_of_one_group_are_drawn_together() -> None:
    rows: list[Scored[Row]] = [
        Scored({}, "one", 0.9, fired=True),
        Scored({}, "one", 0.1, fired=False),
    ]
    assert interval(share, rows) == (0.5, 0.5)


def test_a_small_cell_is_marked() -> None:
    assert cell(0.5, 59) == "0.50*"
    assert cell(0.5, 60) == "0.50"
    assert cell(float("nan"), 3) == "-"


def test_a_label_without_a_score_is_refused() -> None:
    with pytest.raises(SystemExit, match="1 labelled rows have no score"):
        joined([{"id": "a", "score": 0.1, "fired": False}], [{"id": "b", "source": "s"}])


STATEMENTS: list[Row] = [
    {
        "id": f"{source}{n}",
        "text": "canary",
        "source": source,
        "group": str(n),
        "trigger": int(kind == "trigger"),
        "category": "by_proxy" if kind == "trigger" else "none",
        "neg_kind": "insight_or_past" if kind == "hard" else None,
        "borderline": n % 2 == 0,
    }
    for source, kind in (("a", "trigger"), ("a-n", "hard"), ("b", "ordinary"))
    for n in range(10)
]
REPLIES: list[Row] = [
    {
        "id": str(n),
        "source": "s",
        "group": str(n),
        "history": [{"role": "user", "content": "earlier"}],
        "user": "canary",
        "reply": "canary",
        "collusive": n % 2,
        "hard": n // 4 % 2,
    }
    for n in range(20)
]


@pytest.mark.parametrize(
    ("tool", "labels", "expected"),
    [
        (measure_statements, STATEMENTS, "| triggers (recall) | 10 | 1.000 [1.000, 1.000] |"),
        (measure_replies, REPLIES, "| collusive replies (recall) | 10 | 1.000 [1.000, 1.000] |"),
    ],
)
def test_perfect_scores_measure_as_perfect_and_no_text_is_printed(
    tool: object,
    labels: list[Row],
    expected: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main = getattr(tool, "main")  # noqa: B009 - one test for both tools
    write_rows(labels, tmp_path / "labels.jsonl")
    main(["rows", str(tmp_path / "labels.jsonl"), str(tmp_path / "rows.jsonl")])
    rows = read_rows(tmp_path / "rows.jsonl")
    assert [row["id"] for row in rows] == [row["id"] for row in labels]
    assert rows[0]["messages"][-1]["content"] == "canary"
    perfect = [float(row.get("trigger", row.get("collusive"))) for row in labels]
    write_rows(
        [
            {"id": row["id"], "score": score, "fired": score > 0.5}
            for row, score in zip(labels, perfect, strict=True)
        ],
        tmp_path / "scores.jsonl",
    )
    main(["table", str(tmp_path / "scores.jsonl"), str(tmp_path / "labels.jsonl")])
    printed = capsys.readouterr().out
    assert expected in printed
    assert "canary" not in printed


@pytest.mark.parametrize("tool", [measure_statements, measure_replies])
def test_wrong_arguments_show_the_use(tool: object) -> None:
    with pytest.raises(SystemExit, match="python tools/measure_"):
        getattr(tool, "main")(["table", "only-one"])  # noqa: B009 - one test for both tools
