import json
from pathlib import Path

import pytest

from cli.conftest import Run
from corroborator.evaluation.report import Report
from corroborator.evaluation.run import Evaluation


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return what the commands ask for; what is measured is tested beside the modules."""
    calls: list[object] = []

    def measured(name: str) -> object:
        def measure(_: Evaluation, *arguments: object) -> Report:
            calls.append((name, *arguments))
            return Report(f"| {name} |", {"chart.svg": "<svg/>"})

        return measure

    for name in ("statements", "replies", "frozen"):
        monkeypatch.setattr(Evaluation, name, measured(name))
    return calls


@pytest.mark.parametrize("kind", ["statements", "replies"])
def test_labels_scores_and_charts_are_handed_over(
    run: Run, asked: list[object], kind: str, tmp_path: Path
) -> None:
    result = run("evaluate", kind, "a.jsonl", "b.jsonl", "--scores", "s.jsonl", "--charts", "drawn")
    assert result.exit_code == 0
    assert result.stdout == f"| {kind} |\n"
    assert asked == [(kind, [Path("a.jsonl"), Path("b.jsonl")], Path("s.jsonl"))]
    assert (tmp_path / "drawn" / "chart.svg").read_text() == "<svg/>"


def test_the_frozen_texts_are_those_of_the_checkout(run: Run, asked: list[object]) -> None:
    assert run("evaluate", "frozen").stdout == "| frozen |\n"
    assert run("evaluate", "frozen", "elsewhere").exit_code == 0
    assert asked == [("frozen", Path("benchmarks")), ("frozen", Path("elsewhere"))]


def test_a_broken_label_is_one_line_with_its_place(run: Run, tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").write_text(json.dumps({"id": "a"}))
    result = run("evaluate", "statements", "l.jsonl")
    assert result.exit_code == 2
    assert "l.jsonl:1: text: Field required" in result.stderr


def test_missing_frozen_texts_are_said(run: Run) -> None:
    result = run("evaluate", "frozen", "nowhere")
    assert result.exit_code == 2
    assert "is missing; the frozen texts are in the repository" in result.stderr


def test_coverage_prints_every_family(run: Run) -> None:
    result = run("evaluate", "coverage")
    assert result.exit_code == 0
    assert "| surveillance_claim |" in result.stdout
    assert "| risk_disclosure |" in result.stdout
