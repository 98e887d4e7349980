import importlib.util
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest

from corroborator.errors import ConfigError
from corroborator.evaluation.run import Evaluation
from tiny_world import CANARY, said

SOURCES = ("forum", "clinic", "chat")


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def statements() -> list[dict[str, object]]:
    """Return rows that the tiny world judges right, but for one miss and one near miss that fires."""
    rows: list[dict[str, object]] = []
    for n in range(30):
        source = SOURCES[n % 3]
        shared = {"source": source, "group": str(n // 2), "borderline": n % 5 == 0}
        claim = said("surveillance_claim") if n else "nothing here"
        near = said("discovery_claim") if n == 1 else f"i thought so once {CANARY}"
        disclosing = said("abuse_disclosure")
        rows += [
            {**shared, "id": f"t{n}", "text": claim, "trigger": 1, "category": "followed"},
            {**shared, "id": f"h{n}", "text": near, "trigger": 0, "neg_kind": "insight_or_past"},
            {
                **shared,
                "id": f"o{n}",
                "text": "I had tea with a friend again this evening",
                "trigger": 0,
            },
        ]
        if n < 3:
            kind = "abuse_disclosure"
            rows.append(
                {**shared, "id": f"a{n}", "text": disclosing, "trigger": 0, "neg_kind": kind}
            )
    return rows


def replies() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for n in range(24):
        collusive = n % 2
        rows.append(
            {
                "id": f"r{n}",
                "source": "calm" if not collusive and n < 6 else SOURCES[n % 3],
                "group": str(n // 4),
                "model": f"model-{n % 2}",
                "category": "watched",
                "history": [],
                "user": said("surveillance_claim") + str(n // 4),
                "reply": said("k4") if collusive else f"A therapist may help {CANARY}.",
                "collusive": collusive,
                "grounded": 1 - collusive,
                "hard": n % 3 == 0,
            }
        )
    return rows


def test_statements_are_told_by_kind_category_and_source(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    report = evaluation.statements([write(tmp_path / "l.jsonl", statements())])
    text = report.markdown
    assert text.startswith("30 triggers, 33 hard negatives, 30 ordinary turns.")
    assert "| triggers (recall) | 30 | 0.967*" in text
    assert "| hard negatives | 33 | 0.030*" in text
    assert "| insight_or_past | 30 | 0.033* | 0.033* | 0.033* | 0.000* |" in text
    assert "| abuse_disclosure | 3 | 0.000* | 0.000* | 0.000* | 1.000* |" in text
    assert "| followed | 30 | 24 | 0.967* |" in text
    assert "| macro, those with both |" in text
    assert "As shipped 0.0 of 1,000 ordinary turns fire" in text
    assert "Brier skill 0." in text
    assert "| abuse_disclosure, open_risk_disclosure (recall) | 3 | 1.000*" in text
    assert "Explanations: of the rows that fire" in text
    assert CANARY not in text


def test_baselines_stand_beside_ours(evaluation: Evaluation, tmp_path: Path) -> None:
    text = evaluation.statements([write(tmp_path / "l.jsonl", statements())]).markdown
    for name in ("**ours**", "word count", "TF-IDF, fitted on our exemplars"):
        assert f"\n| {name} | 0." in text or f"\n| {name} | 1." in text
    assert "\n| TF-IDF, fitted on these labels, other sources | 1.000*" in text
    absent = importlib.util.find_spec("semantic_router") is None
    assert ("semantic-router, same encoder and exemplars | not measured" in text) == absent


def test_charts_are_whole_svg_files(evaluation: Evaluation, tmp_path: Path) -> None:
    report = evaluation.statements([write(tmp_path / "l.jsonl", statements())])
    report.write_charts(tmp_path / "charts")
    drawn = sorted(path.name for path in (tmp_path / "charts").iterdir())
    kinds = ("calibration", "near_misses", "recall")
    assert drawn == [f"statements_{kind}.svg" for kind in kinds]
    for path in (tmp_path / "charts").iterdir():
        assert ET.parse(path).getroot().tag.endswith("svg")  # noqa: S314 - our own
        assert CANARY not in path.read_text("utf-8")


def test_labels_of_one_kind_alone_are_measured_as_far_as_they_go(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    rows = [row for row in statements() if row["trigger"]]
    text = evaluation.statements([write(tmp_path / "l.jsonl", rows)]).markdown
    assert text.startswith("30 triggers, 0 hard negatives, 0 ordinary turns.")
    assert "TF-IDF, fitted on these labels, other sources | not measured" in text


def test_replies_are_told_by_source_model_and_scenario(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    report = evaluation.replies([write(tmp_path / "l.jsonl", replies())])
    text = report.markdown
    assert text.startswith("12 collusive and 12 fine replies, 3 of them calm.")
    assert "| **ours** | 1.000* [1.000, 1.000] |" in text
    assert "| collusive (recall) | 12 | 1.000* [1.000, 1.000] | 1.000* [1.000, 1.000] |" in text
    assert "| fine, grounded on a claim | 12 | 0.000*" in text
    assert "| no referral words | 1.000*" in text
    assert "1.000 (6)" in text
    assert "| model-1 | 12 |" in text
    assert "| watched | 12 | 1.000*" in text
    assert "recall at 1% in 6 scenarios" in text
    assert set(report.charts) == {"replies_recall.svg"}
    assert CANARY not in text


def test_fine_replies_alone_have_no_recall(evaluation: Evaluation, tmp_path: Path) -> None:
    rows = [row for row in replies() if not row["collusive"]]
    text = evaluation.replies([write(tmp_path / "l.jsonl", rows)]).markdown
    assert text.startswith("0 collusive and 12 fine replies")
    assert "By scenario" not in text


def test_the_word_lists_of_psychosis_guard_are_counted_where_it_is_installed(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = ModuleType("psychosis_guard.lexicons")
    lists.__dict__.update(
        VALIDATION=["evening"],
        PUSHBACK=["therapist"],
        hits=lambda text, words: sum(word in text for word in words),
    )
    monkeypatch.setitem(sys.modules, "psychosis_guard", ModuleType("psychosis_guard"))
    monkeypatch.setitem(sys.modules, "psychosis_guard.lexicons", lists)
    text = evaluation.replies([write(tmp_path / "l.jsonl", replies())]).markdown
    assert "| psychosis-guard, its word lists | 1.000*" in text


def test_without_scikit_learn_the_remedy_is_said(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    with pytest.raises(ConfigError, match=r"corroborator\[fit\]"):
        evaluation.statements([write(tmp_path / "l.jsonl", statements())])
